from __future__ import annotations

import pytest

from shared_utils.logging import app_name, request_id, trace_parent


@pytest.fixture(autouse=True)
def outside() -> None:
    """Forget the request that an earlier test has made in this thread."""
    request_id.set("")
    app_name.set("")
    trace_parent.set("")
