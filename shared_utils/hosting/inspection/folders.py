"""A folder for the workers of each master: ``instance/run/workers-of-PID-START``.

The time at which the master began is part of the name, because process ids come again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

from shared_utils.operations import asking
from shared_utils.operations.host import FOLDER

DEAD_AFTER = 120.0
"""Seconds after which a folder is taken away in which nobody listens: its host may be starting."""


def folder_of(run: Path, master: int) -> Path:
    """Return the folder of the workers of a master."""
    return run / f"{FOLDER}-{master}-{_began(master)}"


def clear(run: Path, own: Path) -> None:
    """Take away what ended workers and masters have left behind."""
    asking.ask(own, asking.NOTHING, patience=0.2, leave_out=os.getpid())
    for folder in run.glob(f"{FOLDER}-*"):
        with contextlib.suppress(OSError):
            if folder == own or time.time() - folder.stat().st_mtime < DEAD_AFTER:
                continue
            if not asking.ask(folder, asking.NOTHING, patience=0.2):
                shutil.rmtree(folder)


def _began(pid: int) -> str:
    """Return what tells a process from another one of the same id: when it began (proc(5))."""
    with contextlib.suppress(OSError, IndexError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1")
        return stat.rpartition(")")[2].split()[19]
    return "0"
