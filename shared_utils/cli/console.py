"""Where commands print tables."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def wide_console() -> Console:
    """Return a console as wide as the terminal; into a pipe it folds nothing."""
    from rich.console import Console  # only here: it takes longer to load than most commands run

    return Console() if sys.stdout.isatty() else Console(width=10_000)
