"""Deadlines: how long an app may take, and a watchdog that ends what takes longer.

Only time in the app counts: a clock stands still while a request is blocked on its client.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import get_ident
from time import monotonic, sleep  # now: an app may replace them later
from typing import TYPE_CHECKING, Any

from shared_utils.hosting import interrupt
from shared_utils.hosting.cookies import Headers
from shared_utils.hosting.settings.mounts import Mount
from shared_utils.hosting.telemetry.record import percent_encoded
from shared_utils.hosting.telling import say_aside

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger(__name__)

TICK = 0.1
"""Seconds between two looks at what runs."""
AGAIN = 1.0
"""Seconds after which a thread that goes on regardless is interrupted again."""
STUCK_AFTER = 10.0
"""Seconds past its deadline after which a thread is held to be blocked."""

LOST_AFTER = 5.0
"""Seconds without a look after which the watchdog is held to be lost."""

WALLS = f"{Path(__file__).parent}/"
"""Files of the walls: what is called from there is code of an app."""


class DeadlineExceeded(BaseException):
    """Raised in an app that takes longer than its mount's deadline."""


def shown_path(environ: WSGIEnvironment) -> str:
    """Return the path of a request as a log line may show it: percent-encoded."""
    return percent_encoded(f"{environ['SCRIPT_NAME']}{environ['PATH_INFO']}")


@dataclasses.dataclass(frozen=True, slots=True)
class Terms:
    """On which an app is called.

    Attributes:
        mount: whose app it is.
        watchdog: looks at the app's time.
        deadline: seconds up to the first byte of a response; 0 for no end.
        stream_deadline: seconds for the rest of it; 0 for no end.
        scoped: given headers with cookies and the script name, returns them with the cookies'
            paths inside the mount; None: they stay as they are.
        debug: errors are passed on for a debugger to show.
    """

    mount: Mount
    watchdog: Watchdog
    deadline: float = 0
    stream_deadline: float = 0
    scoped: Callable[[Headers, str], Headers] | None = None
    debug: bool = False


class Clock:
    """The time that one request has spent in its app. It stands still until ``resume``.

    While it goes, it stands in the watchdog's table. Whoever takes it out there has the right to
    go on: a request that did is not interrupted any more, so that none lands in another request.

    Args:
        terms: those of the app, with its deadline and the watchdog that looks at it.
        environ: the request, for the log.

    Attributes:
        limit: seconds; 0 for no end.
        thread: the one that the app runs in.
        exceeded: the limit has been passed, since the last restart.
        exceeded_at: ``time.monotonic()`` of that.
        is_counted: the watchdog has reported it as stuck.
    """

    # Of the class, because making a clock is a part of what a wall costs.
    thread = 0
    exceeded = is_counted = _is_interrupted = False
    exceeded_at = _next_try = _spent = 0.0
    _looking: threading.Lock | None = None
    """Held by the watchdog while it has taken the clock; made for those that are late."""

    def __init__(self, terms: Terms, environ: WSGIEnvironment) -> None:
        self._terms, self._environ, self.limit = terms, environ, terms.deadline

    def resume(self) -> None:
        """Go on counting, where there is a limit: the app has the word, in this thread."""
        if self.limit:
            self.thread = get_ident()
            watchdog = self._terms.watchdog
            watchdog.running[self] = now = monotonic()
            if now > watchdog.due:
                watchdog.wake()

    def pause(self, since: float | None = None) -> None:
        """Stop counting; no interrupt comes after this.

        Args:
            since: when it went on, where it was taken out of the watchdog's table before.

        Raises:
            DeadlineExceeded: an interrupt had come, and only landed here.
        """
        running = self._terms.watchdog.running
        landed = None
        while True:
            try:
                if since is None:
                    since = running.pop(self, None)
                if since is None and self._looking is not None:
                    with self._looking:  # it is put back before
                        since = running.pop(self, None)
                if since is not None:
                    self._spent += monotonic() - since
                    since = None
                if self._is_interrupted:
                    interrupt.land()
                    self._is_interrupted = False
                break
            except DeadlineExceeded as interrupted:
                landed = interrupted
        self.thread = 0  # what is read or written later is not on the app's time
        if self.exceeded or self.is_counted:
            self._terms.watchdog.count(self)
        if landed is not None:
            raise landed

    def outside(self, call: Callable[[Any], Any], argument: Any) -> Any:
        """Call something on the client's time, not on the app's."""
        if self.thread != get_ident():  # an app may do so in a thread of its own
            return call(argument)
        try:
            self.pause()
            return call(argument)
        finally:
            self.resume()

    def restart(self, limit: float) -> None:
        """Begin to count anew, up to another limit; only while it stands still."""
        self.limit = limit
        self._spent = self._next_try = 0.0
        self.exceeded = False

    def is_late(self, since: float) -> bool:
        """Say whether it has gone past its limit, and is due to be interrupted.

        Args:
            since: when it went on, as the watchdog's table has it.
        """
        now = monotonic()
        return 0 < self.limit < self._spent + now - since and now >= self._next_try

    def check(self) -> None:
        """Interrupt the thread, where the limit is passed and it is safe where the thread is."""
        # Before it is taken: the request waits for this. In one step: there may be two watchdogs.
        looking = self._looking or self.__dict__.setdefault("_looking", threading.Lock())
        stack: object = ""
        told: tuple[object, bool, float] | None = None
        if not self.exceeded:
            with contextlib.suppress(BaseException):  # it looks at loaders of the app's modules
                stack = interrupt.Stack(self.thread, inside=WALLS)
        # A finalizer that hangs must not do so while the request waits.
        with interrupt.uncollected():
            if not looking.acquire(blocking=False):
                return
            running, since = self._terms.watchdog.running, None
            try:
                since = running.pop(self, None)
                if since is not None and self.is_late(since):
                    told = self._interrupt(stack)
            finally:
                if since is not None:
                    running[self] = since
                looking.release()
        if told is not None:
            self._report(*told)

    def _interrupt(self, stack: object) -> tuple[object, bool, float] | None:
        """Interrupt the thread; return what to report where it is the first time."""
        is_first = not self.exceeded
        now = monotonic()
        raised = interrupt.interrupt(self.thread, DeadlineExceeded, inside=WALLS)
        if raised:
            self._is_interrupted = True
            self._next_try = now + AGAIN
        if not is_first:
            return None
        self.exceeded, self.exceeded_at = True, now
        return stack, raised, self.limit

    def _report(self, stack: object, raised: bool, limit: float) -> None:
        mount, environ = self._terms.mount, self._environ
        request_id = environ.get("HTTP_X_REQUEST_ID", "")
        self._terms.watchdog.on_exceeded(mount.name)
        say_aside(
            logger,
            logging.ERROR,
            "%s %s of %s%s has taken longer than %g s%s. It was at:\n%s",
            environ["REQUEST_METHOD"],
            shown_path(environ),
            mount.name,
            f" ({mount.owner})" if mount.owner else "",
            limit,
            "" if raised else ", and is not interrupted yet",
            stack,
            extra={"app": mount.name, "owner": mount.owner, "request_id": request_id},
        )


class Watchdog:
    """A thread that looks at all clocks of this process that go, while there are any.

    It begins with the first request, so that nothing runs before a fork. Whatever it makes may set
    off a garbage collection, and so finalizers of apps: one that hangs there is replaced.

    Attributes:
        running: the clocks that go, and since when (``time.monotonic()``). Threads change it in
            single steps, without a lock: that of one clock is for those that are late.
        on_exceeded: called with a mount's name when a request has passed its deadline.
        due: when the next look is overdue, and ``wake`` is to be called; 0 while it sleeps.
    """

    def __init__(self) -> None:
        self._on_stuck: Callable[[int], None] = lambda count: None
        self.on_exceeded: Callable[[str], object] = lambda name: None
        self.reset()

    def reset(self) -> None:
        """Begin anew: a forked process has none of these threads."""
        self.running: dict[Clock, float] = {}
        self.due = 0.0
        # Held while the watchdog sleeps. No Event: that makes a lock while it holds its own.
        self._asleep = threading.Lock()
        self._asleep.acquire()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._counting = threading.Lock()
        self._stuck = 0

    def call_when_stuck(self, report: Callable[[int], None]) -> None:
        """Have ``report`` called with the number of threads that do not come back, as it changes.

        It is called in the thread that notices, and has to be quick.
        """
        self._on_stuck = report

    def wake(self) -> None:
        """Have the clocks looked at: by another thread, where the one for it is lost."""
        thread, due, now = self._thread, self.due, monotonic()
        if not due:
            self.due = now + LOST_AFTER
            with contextlib.suppress(RuntimeError):  # another request has woken it
                self._asleep.release()
        if thread is None or now > due > 0:
            self._start(thread)

    def count(self, clock: Clock) -> None:
        """Report where a thread hangs, or is back: that before its request is given back."""
        # Uncollected: an app's finalizer that hangs under the lock would be the end of deadlines.
        with interrupt.uncollected(), self._counting:
            is_stuck = (
                clock.exceeded
                and clock in self.running
                and monotonic() - clock.exceeded_at > STUCK_AFTER
            )
            if is_stuck != clock.is_counted:
                clock.is_counted = is_stuck
                self._stuck += 1 if is_stuck else -1
                self._on_stuck(self._stuck)

    def _start(self, lost: threading.Thread | None) -> None:
        """Start the thread in place of one that is lost; None where there is none."""
        with self._starting:
            if self._thread is not lost:
                return
            thread = threading.Thread(target=self._run, name="rowhouse-watchdog", daemon=True)
            self._thread, self.due = thread, monotonic() + LOST_AFTER
            try:
                thread.start()
            except (RuntimeError, MemoryError):  # the next request tries again
                self._thread = None
                self.due = 0.0

    def _run(self) -> None:
        me = threading.current_thread()
        while self._thread is me:
            self.due = monotonic() + LOST_AFTER
            _outlived(self._look)
            if self._thread is me and not self.running:
                self.due = 0.0
                if not self.running:  # else one began in between
                    self._asleep.acquire()
            sleep(TICK)

    def _look(self) -> None:
        for clock in list(self.running):  # one step, which that of its items is not
            since = self.running.get(clock)
            if since is not None and clock.is_late(since):
                _outlived(clock.check)
            if clock.exceeded:
                _outlived(partial(self.count, clock))


def _outlived(step: Callable[[], None]) -> None:
    try:
        step()
    except BaseException:
        say_aside(
            logger, logging.ERROR, "the watchdog stumbled, and goes on:\n%s", traceback.format_exc()
        )
