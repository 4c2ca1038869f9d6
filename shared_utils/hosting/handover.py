"""In gunicorn's master: an old worker is told to leave when its successor serves, and not before.

gunicorn tells the old ones when it has forked the new ones, which still have to load everything:
until then nobody would accept a connection.
"""

from __future__ import annotations

import logging
import math
import os
import signal
from time import monotonic
from typing import Any

from gunicorn.arbiter import Arbiter

from shared_utils.hosting import marks, succession

logger = logging.getLogger(__name__)


def install(arbiter: Any) -> None:
    """Have an arbiter, which may be running, hand over as this module does.

    At a reload, workers that were started before it are outdated from here on. An arbiter that
    older code has installed is replaced: its class is, while its attributes stay.
    """
    arbiter.__class__ = HandoverArbiter
    arbiter.last_outdated = arbiter.worker_age


class HandoverArbiter(Arbiter):
    """gunicorn's arbiter, but that :func:`succession.plan` says who starts and who leaves.

    It is made of an arbiter that exists, so its attributes have their first values here.
    """

    last_outdated = 0
    """Age of the youngest worker that the last reload has outdated."""
    last_granted = -math.inf
    """When a worker was last replaced because of threads blocked in C; of ``monotonic()``."""
    reloaded: Exception | None = None
    """What ends the wait at the end of a reload that has begun."""
    is_stopping = False
    unborn: Any = None
    """A worker that is about to be forked."""
    _only_counts = False

    def manage_workers(self) -> None:
        """Start workers and retire others, as it is time to."""
        if self.is_stopping:
            return
        self._grant()
        step = succession.plan(map(self._seen, self.WORKERS.values()), self.num_workers)
        for _ in range(step.spawn):
            self.spawn_worker()
        for pid, worker in list(self.WORKERS.items()):
            if worker.age in step.retire:
                self.kill_worker(pid, signal.SIGTERM)
        # What is left to gunicorn is to tell its figures; whom it would retire stays.
        self._only_counts = True
        try:
            super().manage_workers()
        finally:
            self._only_counts = False

    def spawn_worker(self) -> int:
        """Start a worker; where the system has no room for one, that is tried again later."""
        pid, mask = 0, os.umask(0o77)
        os.umask(mask)
        try:
            pid = super().spawn_worker()
        except OSError as error:
            if os.getpid() != self.pid:
                raise
            os.umask(mask)  # gunicorn has another one while it makes a worker's file
            if self.unborn is not None:  # else it is tried again until no file can be opened
                self.unborn.tmp.close()
                marks.take(self.unborn)
            logger.error("no worker can be started, which is tried again: %s", error)
        self.unborn = None
        return pid

    def spawn_workers(self) -> None:
        """Start workers that are missing; not once more, where only figures are told."""
        if not self._only_counts:
            super().spawn_workers()

    def reexec(self) -> None:
        """Start another master; where the system has no room for one, go on as before."""
        try:
            super().reexec()
        except OSError as error:
            if os.getpid() != self.pid:
                raise
            logger.error("no other master can be started: %s", error)

    def kill_worker(self, pid: int, sig: int) -> None:
        """Send a signal to a worker, and remember whom it tells to leave.

        One that does not serve yet has nothing to finish: it ends at once.
        """
        if sig in (signal.SIGTERM, signal.SIGQUIT) and (worker := self.WORKERS.get(pid)):
            if self._only_counts:
                return
            worker.retired = True  # type: ignore[attr-defined]
            if marks.call_off(worker):
                sig = signal.SIGQUIT
        super().kill_worker(pid, sig)

    def reload(self) -> None:
        """Reload, but answer signals while old workers leave.

        gunicorn would sit here until they have left, or for ``graceful_timeout``.
        """
        self.last_outdated = self.worker_age  # said here too: the code to be loaded may be older
        # The reload installs newer code, whose reap_workers() raises this object.
        over = self.reloaded = _ReloadIsOver()
        try:
            super().reload()
        except _ReloadIsOver as error:
            if error is not over:
                raise
        finally:
            self.reloaded = None

    def reap_workers(self) -> None:
        """See which workers have ended, and go on from there."""
        super().reap_workers()
        if self.reloaded is not None:
            raise self.reloaded
        self.manage_workers()  # for a reload that older code has begun: it waits, and calls this

    def stop(self, graceful: bool = True) -> None:
        """Stop all workers; none is started any more."""
        self.is_stopping = True
        super().stop(graceful)

    def _grant(self) -> None:
        seen = [self._seen(worker) for worker in self.WORKERS.values()]
        age = succession.grant(seen, monotonic() - self.last_granted)
        for worker in self.WORKERS.values():
            if worker.age == age:
                worker.granted = True  # type: ignore[attr-defined]
                self.last_granted = monotonic()
                logger.warning(
                    "worker %d is replaced: threads of it that are blocked in C: %d",
                    worker.pid,
                    marks.stuck(worker),
                )

    def _seen(self, worker: Any) -> succession.Worker:
        return succession.Worker(
            age=worker.age,
            booted=marks.is_booted(worker),
            outdated=worker.age <= self.last_outdated,
            stuck=marks.stuck(worker),
            granted=getattr(worker, "granted", False),
            retired=getattr(worker, "retired", False),
        )


class _ReloadIsOver(Exception):
    pass
