"""What a test needs of the machine: it is skipped with a reason where that is absent.

With ``CI=true`` everything has to be there.
"""

from __future__ import annotations

import os
from typing import TypeVar

import pytest

Needed = TypeVar("Needed")


def needed(found: Needed | None, what: str) -> Needed:
    """Return what was found; skip the test where nothing was."""
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{what} is not installed here; .ci/run has to install it")
        pytest.skip(f"{what} is not installed here")
    return found
