"""Whether a worker listens, so that a page can say that jobs wait.

A worker holds a lock on a file of its own under ``instance/run/workers``, which names the queues
that it listens to. The lock ends with the process, however that ends: nothing has to beat, and
nothing to be cleaned up. Workers on other machines are not seen.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from shared_utils.tasks import broker


def folder() -> Path:
    """Return the folder of the files."""
    return broker.run_folder() / "workers"


def announce(queues: Iterable[str], where: Path | None = None) -> IO[str]:
    """Say that this process listens to ``queues``, until the file that is returned is closed.

    Called by the process that listens: its children do not hold the lock.
    """
    where = where or folder()
    where.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = where / f".{os.getpid()}.draft"
    held = draft.open("w", encoding="utf-8")
    json.dump({"process": os.getpid(), "queues": sorted(queues)}, held)
    held.flush()
    # A record lock: unlike flock's, it is not inherited by children that outlive the worker.
    fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    draft.replace(where / f"{os.getpid()}.json")
    return held


def has_worker(queue: str, where: Path | None = None) -> bool:
    """Return whether a worker on this machine listens to the queue of an app."""
    found = False
    for path in (where or folder()).glob("*.json"):
        with contextlib.suppress(FileNotFoundError, ValueError), path.open() as file:
            if path.stem != str(os.getpid()) and _is_free(file):
                path.unlink()  # its worker is gone
            elif queue in json.load(file)["queues"]:
                found = True
    return found


def _is_free(file: IO[str]) -> bool:
    try:
        # Shared: those that look at the same time do not take one another for a worker.
        fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
