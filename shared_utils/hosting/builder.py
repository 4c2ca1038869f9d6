"""Build the mounts of one process, each on its own, and try again those that are down.

One thread, the builder, decides what is built when. Each build runs in a thread of its own
(``attempt.py``), so that one which hangs is left to itself while the next begins:

    eager mounts, one after another  -> up
                                     -> down -> after 1 s, 2 s, 4 s ... 60 s again
    a lazy mount's first request     -> at once, beside whatever else is built

Apps share the process: they may have broken anything, ``logging`` and ``time.sleep`` included. So
the builder calls no code of theirs, writes no log line in its own thread, and outlives every error.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING

from shared_utils.forks import call_in_child
from shared_utils.hosting import modules, telling
from shared_utils.hosting.attempt import Attempt
from shared_utils.hosting.mounted import Mounted

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

logger = logging.getLogger(__name__)

FIRST_RETRY = 1.0
LAST_RETRY = 60.0
OVERLAP = 1.0
"""Seconds that the next build waits for this one, once ``startup_wait`` is over."""


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
        call_in_child(self._reset_in_child)

    def start(self) -> None:
        """Begin, unless it is at work in this process. May be called as often as one likes."""
        if self._thread is None:
            with self._changed:
                self._begin()

    def pause(self) -> None:
        """Begin nothing more in this process: it will be forked, and its children build on."""
        with self._changed:
            self._paused = True

    def wait(self) -> None:
        """Wait until every eager mount was tried once, but no longer than ``startup_wait``."""
        self._first_round.wait(self._startup_wait)

    def wake(self, mounted: Mounted) -> None:
        """See to it that a mount which is not up is being built, or will be.

        A lazy one that was not tried yet is built at once, beside whatever else is built.
        """
        with self._changed:
            self._begin()
            if mounted.mount.load != "lazy":
                return
            tried = mounted in self._due or mounted.is_built
            if not tried and not any(a.mounted is mounted for a in self._running):
                self._launch(mounted)
                self._changed.notify_all()

    def rebuild(self, mounted: Mounted) -> bool:
        """Build a mount that is down now, and not when its time has come.

        Returns:
            False where it is not down, or is being built already.
        """
        with self._changed:
            if mounted.is_built or mounted not in self._due:
                return False
            self._due[mounted] = monotonic()
            self._failures[mounted] = 1  # pauses are short again
            self._begin()
            self._changed.notify_all()
            return True

    def _begin(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="rowhouse-builder", daemon=True)
            with contextlib.suppress(RuntimeError):  # no thread left: the next wake tries again
                thread.start()
                self._thread = thread

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._first_round = threading.Event()
        self._running: list[Attempt] = []
        self._left_behind: list[Attempt] = []
        self._thread = None
        self._paused = False
        self._serving_by = monotonic() + self._startup_wait

    def _reset_in_child(self) -> None:
        """Forget the threads that a fork has left behind; what they were building is due again."""
        modules.forget_unfinished_imports()
        self._reset()
        for mounted in self._mounts:
            mounted.reset_after_fork()
            if (
                not mounted.is_built
                and mounted.build_state != "lazy"
                and mounted not in self._eager
            ):
                self._due.setdefault(mounted, monotonic())

    # The builder's own thread.

    def _run(self) -> None:
        with self._changed:
            while self._thread is not None:
                try:
                    until = self._turn(monotonic())
                except BaseException:
                    until = monotonic() + 1.0
                    telling.say_aside(
                        logger,
                        logging.ERROR,
                        "the builder stumbled, and goes on:\n%s",
                        traceback.format_exc(),
                    )
                if until is None:
                    self._thread = None  # everything is up, or lazy: until something wakes it
                else:
                    self._changed.wait(max(0.0, until - monotonic()))

    def _turn(self, now: float) -> float | None:
        """Do what is to be done by now; return when there is more to do, or None for never."""
        for attempt in list(self._running):
            self._watch(attempt, now)
        for attempt in list(self._left_behind):
            if attempt.interrupt() is None:
                self._left_behind.remove(attempt)
        in_the_way = [self._gives_way(attempt) for attempt in self._running]
        if not self._paused and all(moment <= now for moment in in_the_way):
            self._launch_next(now)
        if not self._eager and not any(self._is_first(attempt) for attempt in self._running):
            self._first_round.set()
        coming = [*self._due.values(), *(self._gives_way(attempt) for attempt in self._running)]
        for attempt in [*self._running, *self._left_behind]:
            late = now - attempt.limit
            coming.append(attempt.limit if late < 0 else now + (0.1 if late < 10 else 1.0))
        return min((moment for moment in coming if moment > now), default=None)

    def _launch_next(self, now: float) -> None:
        if self._eager:
            self._launch(self._eager.popleft())
            return
        for mounted in sorted(self._due, key=self._due.__getitem__):
            if self._due[mounted] <= now and self._may_try(mounted):
                del self._due[mounted]
                self._launch(mounted)
                return

    def _gives_way(self, attempt: Attempt) -> float:
        """Return the moment until which the next build waits for this one."""
        return min(max(self._serving_by, attempt.began + OVERLAP), attempt.limit)

    def _is_first(self, attempt: Attempt) -> bool:
        mounted = attempt.mounted
        return mounted not in self._failures and mounted.mount.load == "eager"

    def _may_try(self, mounted: Mounted) -> bool:
        """Say whether a mount may be built again; while an older build of it hangs, it may not.

        A build that is blocked in C cannot be ended. Once its source has been mended it is left
        behind, or the mount would stay down until the process ends; but only one at a time, or a
        build that hangs and writes into its own source would leave ever more.
        """
        for attempt in [attempt for attempt in self._running if attempt.mounted is mounted]:
            left = any(older.mounted is mounted for older in self._left_behind)
            if left or not modules.source_changed_since(mounted.mount.package, attempt.began_at):
                self._failed(mounted, mounted.failure)
                return False
            self._running.remove(attempt)
            self._left_behind.append(attempt)
            self._drop_modules(attempt)
        return True

    def _watch(self, attempt: Attempt, now: float) -> None:
        """End an attempt that takes too long, as far as it can be ended."""
        if not attempt.is_alive:  # an app's profiling hook can end a thread before it reports
            self._drop_modules(attempt)
            self._running.remove(attempt)
            if not attempt.expired:
                self._failed(attempt.mounted, "its build ended without a result")
            return
        if now < attempt.limit:
            return
        stack = attempt.interrupt()
        if stack is not None and not attempt.expired:
            attempt.expired = True
            limit = attempt.mounted.mount.limits.startup_timeout
            failure = f"its start takes longer than {limit:g} s"
            self._failed(attempt.mounted, failure)
            _log_down(attempt.mounted, failure, f"Traceback (most recent call last):\n{stack}")

    def _drop_modules(self, attempt: Attempt) -> None:
        """Take out what a failed build has loaded, unless another mount is of that package too."""
        package = attempt.mounted.mount.package
        beside = [mounted for mounted in self._mounts if mounted.is_built]
        beside += [other.mounted for other in self._running]
        if any(m is not attempt.mounted and m.mount.package == package for m in beside):
            return
        # What drop() looks at is the apps' own: any of it may raise.
        with contextlib.suppress(Exception):
            modules.drop(package, attempt.loaded_before)
        if attempt in self._left_behind:
            modules.abandon_imports(package)

    # What an attempt reports, in its own thread.

    def _launch(self, mounted: Mounted) -> None:
        mounted.starting()

        def work() -> WSGIApplication:
            if mounted in self._failures:
                self._renew(mounted)
            return self._build(mounted)

        attempt = Attempt(mounted, work=work, report=self._record)
        self._running.append(attempt)
        try:
            attempt.start()
        except RuntimeError as error:
            self._running.remove(attempt)
            self._failed(mounted, f"its build cannot start: {error}")

    def _record(self, attempt: Attempt) -> None:
        mounted = attempt.mounted
        with self._changed:
            if attempt not in self._running:
                return  # left behind: a later attempt speaks for the mount
            if attempt.app is None:
                self._drop_modules(attempt)
            self._running.remove(attempt)
            if attempt.app is not None:
                self._due.pop(mounted, None)
                self._failures.pop(mounted, None)
                mounted.up(attempt.app, attempt.seconds)
            elif not attempt.expired:
                self._failed(mounted, attempt.failure)
            self._changed.notify_all()
        if attempt.app is None and not attempt.expired:
            _log_down(mounted, attempt.failure, attempt.traceback)
        with contextlib.suppress(Exception):
            self._announce(mounted)

    def _failed(self, mounted: Mounted, failure: str) -> None:
        failures = self._failures.get(mounted, 0)
        self._failures[mounted] = failures + 1
        retry_at = monotonic() + min(FIRST_RETRY * 2 ** min(failures, 16), LAST_RETRY)
        self._due[mounted] = retry_at
        mounted.down(failure, retry_at)


def _log_down(mounted: Mounted, failure: str, told: str) -> None:
    mount = mounted.mount
    extra = {"app": mount.name, "owner": mount.owner, "contact": mount.contact}
    telling.say_aside(
        logger, logging.ERROR, "%s is down: %s\n%s", mount.name, failure, told, extra=extra
    )
