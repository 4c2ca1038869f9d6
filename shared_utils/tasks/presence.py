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

from shared_utils.health import Unwell
from shared_utils.tasks import broker

_held: dict[Path, IO[str]] = {}
"""Files that this process holds the lock on."""


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
    held = draft.open("w+", encoding="utf-8")
    json.dump({"process": os.getpid(), "queues": sorted(queues)}, held)
    held.flush()
    # A record lock: unlike flock's, it is not inherited by children that outlive the worker.
    fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    path = where / f"{os.getpid()}.json"
    draft.replace(path)
    _held[path] = held
    return held


def has_worker(queue: str, where: Path | None = None) -> bool:
    """Return whether a worker on this machine listens to the queue of an app."""
    found = False
    for path in (where or folder()).glob("*.json"):
        held = _held.get(path) if path.stem == str(os.getpid()) else None
        if held is not None and not held.closed:
            # Not opened once more: to close that would give up the lock.
            held.seek(0)
            found = found or queue in json.load(held)["queues"]
            continue
        with contextlib.suppress(FileNotFoundError, ValueError), path.open() as file:
            if not _is_free(file):
                found = found or queue in json.load(file)["queues"]
            elif os.fstat(file.fileno()).st_ino == path.stat().st_ino:  # else a new worker's by now
                path.unlink()  # its worker is gone
    return found


def require_worker(queue: str, where: Path | None = None) -> None:
    """Pass where a worker listens to the queue of an app; for a health check.

    With a broker that other machines reach, workers may be there, where nobody sees them: it passes
    then.

    Raises:
        Unwell: there is none.
    """
    is_embedded = not os.environ.get("ROWHOUSE_BROKER_URL")
    if is_embedded and not has_worker(queue, where):
        raise Unwell(f"no task worker listens to {queue}, so jobs wait; run: rowhouse worker")


def _is_free(file: IO[str]) -> bool:
    try:
        # Shared: those that look at the same time do not take one another for a worker.
        fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
