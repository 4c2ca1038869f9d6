"""A process of the pool ends with its worker: an orphan would go on with what another begins."""

from __future__ import annotations

import os
import signal
import threading
import time

EVERY = 1.0
_worker = os.getpid()


def begin(**_: object) -> None:
    """Watch, in a process of the pool; a pool within the worker's own process needs none."""
    if os.getpid() != _worker:
        threading.Thread(target=_watch, name="rowhouse-parent", daemon=True).start()


def _watch() -> None:
    # Not PR_SET_PDEATHSIG: it counts the thread that forked as the parent, and some of the pool's
    # processes are forked by threads that end before the worker.
    while os.getppid() == _worker:
        time.sleep(EVERY)
    os.kill(os.getpid(), signal.SIGKILL)
