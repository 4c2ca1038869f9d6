"""In a worker: ask for a successor, and leave without waiting for threads that are blocked in C.

Nothing ends such a thread but the end of its process, and both gunicorn and the interpreter would
wait for it: gunicorn for its connection, up to ``graceful_timeout``; the interpreter without end.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Any

from shared_utils.hosting import marks

FLUSH_WITHIN = 1.0
"""Seconds that the end of a process waits for what is still to be written."""


def ask(worker: Any, stuck: int) -> None:
    """Ask the master to replace this worker, or take that back.

    Called in the worker's process, in any thread, whenever the number changes. The worker goes on
    serving until its successor does. When it then ends, for this reason or another, it waits for
    all its requests but as many as there are stuck threads: so a thread that comes back has to be
    told before it gives its request back, or one other request may be cut off.

    Args:
        stuck: threads that are blocked in C; 0 takes the wish back, unless it was granted.
    """
    marks.mark_stuck(worker, stuck)
    if (queue := getattr(worker, "method_queue", None)) is not None:  # gthread's
        queue.defer(_count_without, worker, stuck)
    marks.wake_master(worker)


def _count_without(worker: Any, stuck: int) -> None:
    """In the worker's main thread, which alone counts connections: leave stuck ones out."""
    worker.nr_conns += getattr(worker, "stuck_conns", 0) - stuck
    worker.stuck_conns = stuck


def leave(worker: Any) -> None:
    """At the end of a worker: end its process here, if threads of it are blocked in C."""
    if worker.pid != os.getpid() or not marks.stuck(worker):  # gunicorn calls it in its master too
        return
    # A blocked thread may hold a lock that this needs.
    flushing = threading.Thread(target=_flush, name="rowhouse-flush", daemon=True)
    flushing.start()
    flushing.join(FLUSH_WITHIN)
    os._exit(0)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    logging.shutdown()
