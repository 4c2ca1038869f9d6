"""Build the mounts of one process, each on its own, and try again those that are down.

One thread, the builder, decides what is built when. Each build runs in a thread of its own, so
that one which hangs is left to itself while the next begins:

    eager mounts, one after another  -> up
                                     -> down -> after 1 s, 2 s, 4 s ... 60 s again
    a lazy mount's first request     -> at once, beside whatever else is built
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import logging
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from shared_utils.hosting import interrupt, modules
from shared_utils.hosting.mounted import Mounted
from shared_utils.logging import app_name

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

logger = logging.getLogger(__name__)

FIRST_RETRY = 1.0
LAST_RETRY = 60.0
OVERLAP = 1.0
"""Seconds that the next build waits for this one, once ``startup_wait`` is over."""


class StartupTimeout(BaseException):
    """Raised in a build that takes longer than its ``startup_timeout``."""


@dataclasses.dataclass(kw_only=True, eq=False)
class _Attempt:
    """One build on its way.

    Attributes:
        began: when, by ``time.monotonic()``; ``began_at`` by the clock of the file system.
        expired: it has taken longer than ``startup_timeout``, and its mount is down for it.
        lock: held while it is interrupted, and while it finishes, so that no interrupt comes after.
        finished: it will not run any more code of the app.
    """

    mounted: Mounted
    began: float
    began_at: float
    loaded_before: frozenset[str]
    thread: threading.Thread | None = None
    expired: bool = False
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    finished: bool = False


class Builder:
    """Builds mounts and keeps trying.

    Args:
        mounts: the mounts to build; lazy ones only when something :meth:`wake`s them.
        build: makes the application of a mount; may raise anything.
        renew: called before a mount is tried again, to read its manifest anew.
        announce: called after a mount came up or went down.
        startup_wait: seconds that :meth:`wait` waits for at most.
    """

    def __init__(
        self,
        mounts: Iterable[Mounted],
        *,
        build: Callable[[Mounted], WSGIApplication],
        renew: Callable[[Mounted], None],
        announce: Callable[[Mounted], None],
        startup_wait: float,
    ) -> None:
        self._build, self._renew, self._announce = build, renew, announce
        self._startup_wait = startup_wait
        self._mounts = list(mounts)
        self._eager = deque(mounted for mounted in self._mounts if mounted.mount.load == "eager")
        self._due: dict[Mounted, float] = {}
        self._failures: dict[Mounted, int] = {}
        self._thread: threading.Thread | None = None
        self._reset()
        forked = weakref.WeakMethod(self._reset_in_child)
        os.register_at_fork(after_in_child=lambda: (call := forked()) and call())

    def start(self) -> None:
        """Begin, unless it has begun in this process. May be called as often as one likes."""
        if self._thread is not None:
            return
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="rowhouse-builder", daemon=True
                )
                self._thread.start()

    def wait(self) -> None:
        """Wait until every eager mount was tried once, but no longer than ``startup_wait``."""
        self._first_round.wait(self._startup_wait)

    def wake(self, mounted: Mounted) -> None:
        """See to it that a mount which is not up is being built, or will be.

        A lazy one that was not tried yet is built at once, beside whatever else is built.
        """
        self.start()
        if mounted.mount.load != "lazy":
            return
        with self._changed:
            tried = mounted in self._due or mounted.is_built
            if not tried and not any(a.mounted is mounted for a in self._running):
                self._launch(mounted)
                self._changed.notify_all()

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._first_round = threading.Event()
        self._running: list[_Attempt] = []
        self._thread = None
        self._serving_by = time.monotonic() + self._startup_wait

    def _reset_in_child(self) -> None:
        """Forget the threads that a fork has left behind; what they were building is due again."""
        unfinished = [attempt.mounted for attempt in self._running]
        if unfinished:
            modules.forget_unfinished_imports()
        self._reset()
        for mounted in unfinished:
            self._due[mounted] = time.monotonic()

    # The builder's own thread.

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for attempt in list(self._running):
                    self._watch(attempt, now)
                if not any(now < self._in_the_way_until(attempt) for attempt in self._running):
                    self._launch_next(now)
                if not self._eager and not any(self._is_first(a) for a in self._running):
                    self._first_round.set()
                self._changed.wait(self._pause(time.monotonic()))

    def _launch_next(self, now: float) -> None:
        if self._eager:
            self._launch(self._eager.popleft())
            return
        for mounted in sorted(self._due, key=self._due.__getitem__):
            if self._due[mounted] <= now and self._may_try(mounted):
                del self._due[mounted]
                self._launch(mounted)
                return

    def _in_the_way_until(self, attempt: _Attempt) -> float:
        """Return the moment until which the next build waits for this one."""
        limit = attempt.began + attempt.mounted.mount.limits.startup_timeout
        return min(max(self._serving_by, attempt.began + OVERLAP), limit)

    def _is_first(self, attempt: _Attempt) -> bool:
        return attempt.mounted not in self._failures and attempt.mounted.mount.load == "eager"

    def _pause(self, now: float) -> float | None:
        """Return seconds until there is something to do; None where only news can bring it."""
        moments = list(self._due.values())
        for attempt in self._running:
            moments.append(self._in_the_way_until(attempt))
            limit = attempt.began + attempt.mounted.mount.limits.startup_timeout
            late = now - limit
            moments.append(limit if late < 0 else now + (0.1 if late < 10 else 1.0))
        coming = [moment for moment in moments if moment > now]
        return min(coming) - now if coming else None

    def _may_try(self, mounted: Mounted) -> bool:
        """Say whether a mount may be built again; while an older build of it hangs, it may not.

        A build that is blocked in C cannot be ended. Once its source has been mended it is left
        behind, or the mount would stay down until the process ends.
        """
        for attempt in [a for a in self._running if a.mounted is mounted]:
            if not modules.source_changed_since(mounted.mount.package, attempt.began_at):
                self._failed(mounted, mounted.failure)
                return False
            self._running.remove(attempt)
            modules.drop(mounted.mount.package, attempt.loaded_before)
            modules.abandon_imports(mounted.mount.package)
        return True

    def _watch(self, attempt: _Attempt, now: float) -> None:
        """End an attempt that takes too long, as far as it can be ended."""
        mount = attempt.mounted.mount
        limit = mount.limits.startup_timeout
        if now < attempt.began + limit or attempt.thread is None or attempt.thread.ident is None:
            return
        with attempt.lock:
            if attempt.finished:
                return
            if not attempt.expired:
                attempt.expired = True
                failure = f"its start takes longer than {limit:g} s"
                self._failed(attempt.mounted, failure)
                self._log(attempt.mounted, failure, stack=interrupt.stack_of(attempt.thread.ident))
            interrupt.interrupt(attempt.thread.ident, StartupTimeout)

    # One attempt's thread.

    def _launch(self, mounted: Mounted) -> None:
        mounted.starting()
        attempt = _Attempt(
            mounted=mounted,
            began=time.monotonic(),
            began_at=time.time(),
            loaded_before=frozenset(sys.modules),
        )
        attempt.thread = threading.Thread(
            # A context of its own: what asked for the build may be a request.
            target=contextvars.Context().run,
            args=[self._attempt, attempt],
            name=f"rowhouse-build-{mounted.mount.name}",
            daemon=True,
        )
        self._running.append(attempt)
        attempt.thread.start()

    def _attempt(self, attempt: _Attempt) -> None:
        mounted = attempt.mounted
        app_name.set(mounted.mount.name)
        app: WSGIApplication | None = None
        error: BaseException | None = None
        try:
            if mounted in self._failures:
                self._renew(mounted)
            app = self._build(mounted)
        # A factory may raise anything, SystemExit included: none of it may reach a neighbour.
        except BaseException as raised:
            error = raised
        with attempt.lock:
            attempt.finished = True
            interrupt.clear(threading.get_ident())
        self._finish(attempt, app, error)

    def _finish(
        self, attempt: _Attempt, app: WSGIApplication | None, error: BaseException | None
    ) -> None:
        mounted = attempt.mounted
        with self._changed:
            if attempt not in self._running:
                return  # left behind: a later attempt speaks for the mount
            if error is not None:
                modules.drop(mounted.mount.package, attempt.loaded_before)
            self._running.remove(attempt)
            if app is not None:
                self._due.pop(mounted, None)
                self._failures.pop(mounted, None)
                mounted.up(app, time.monotonic() - attempt.began)
            elif not attempt.expired:
                self._failed(mounted, f"{type(error).__name__}: {error}")
            self._changed.notify_all()
        if error is not None and not attempt.expired:
            self._log(mounted, mounted.failure, exc_info=error)
        with contextlib.suppress(RuntimeError):
            self._announce(mounted)

    def _log(
        self,
        mounted: Mounted,
        failure: str,
        *,
        exc_info: BaseException | None = None,
        stack: str = "",
    ) -> None:
        mount = mounted.mount
        logger.error(
            "%s is down: %s%s",
            mount.name,
            failure,
            f"\nTraceback (most recent call last):\n{stack}" if stack else "",
            exc_info=exc_info,
            extra={"app": mount.name, "owner": mount.owner, "contact": mount.contact},
        )

    def _failed(self, mounted: Mounted, failure: str) -> None:
        failures = self._failures.get(mounted, 0)
        self._failures[mounted] = failures + 1
        retry_at = time.monotonic() + min(FIRST_RETRY * 2**failures, LAST_RETRY)
        self._due[mounted] = retry_at
        mounted.down(failure, retry_at)
