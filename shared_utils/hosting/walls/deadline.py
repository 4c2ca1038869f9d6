"""Deadlines: how long an app may take, and a watchdog that ends what takes longer.

Only time in the app counts: a clock stands still while a request is blocked on its client.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import traceback
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic, sleep  # now: an app may replace them later
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shared_utils.hosting import interrupt
from shared_utils.hosting.settings.mounts import Mount
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
    return quote(f"{environ['SCRIPT_NAME']}{environ['PATH_INFO']}".encode("latin-1", "replace"))


class Clock:
    """The time that one request has spent in its app. It stands still until ``resume``.

    Args:
        mount: whose app it is.
        environ: the request, for the log.
        limit: seconds; 0 for no end.

    Attributes:
        thread: the one that the app runs in.
        exceeded: the limit has been passed, since the last restart; ``was_ever_exceeded``, at all.
        is_counted: the watchdog has reported it as stuck.
    """

    thread = 0
    exceeded = was_ever_exceeded = is_counted = _interrupted = False
    exceeded_at = _next_try = 0.0

    def __init__(self, mount: Mount, environ: WSGIEnvironment, limit: float) -> None:
        self._mount, self._environ, self.limit = mount, environ, limit
        # Held while the thread is interrupted, and while the clock is stopped: no interrupt
        # comes after that, so that none lands in another request.
        self._lock = threading.Lock()
        self._spent = 0.0
        self._since: float | None = None

    def resume(self) -> None:
        """Go on counting, where there is a limit: the app has the word, in this thread."""
        if not self.limit:
            return
        self.thread = threading.get_ident()
        self._since = monotonic()

    def pause(self) -> None:
        """Stop counting; no interrupt comes after this.

        Raises:
            DeadlineExceeded: an interrupt had come, and only landed here.
        """
        if self._since is None:
            return
        landed = None
        while True:
            try:
                with self._lock:
                    if self._since is not None:
                        self._spent += monotonic() - self._since
                        self._since = None
                    if self._interrupted:
                        interrupt.land()
                        self._interrupted = False
                break
            except DeadlineExceeded as interrupted:
                landed = interrupted
        if landed is not None:
            raise landed

    def outside(self, call: Callable[[Any], Any], argument: Any) -> Any:
        """Call something on the client's time, not on the app's."""
        if self.thread != threading.get_ident():  # an app may do so in a thread of its own
            return call(argument)
        try:
            self.pause()
            return call(argument)
        finally:
            self.resume()

    def restart(self, limit: float) -> None:
        """Begin to count anew, up to another limit; only while it stands still."""
        self._spent, self.limit = 0.0, limit
        self.exceeded, self._next_try = False, 0.0

    @property
    def is_stuck(self) -> bool:
        """Whether its thread has not come back for long after its deadline."""
        return (
            self._since is not None
            and self.exceeded
            and monotonic() - self.exceeded_at > STUCK_AFTER
        )

    def check(self) -> None:
        """Interrupt the thread, where the limit is passed and it is safe where the thread is."""
        told: tuple[object, bool] | None = None
        with self._lock:
            now = monotonic()
            if self._since is None or not self.limit or now < self._next_try:
                return
            if self._spent + now - self._since <= self.limit:
                return
            is_first = not self.exceeded
            stack: object = ""
            if is_first:
                with contextlib.suppress(BaseException):  # it looks at loaders of the app's modules
                    stack = interrupt.Stack(self.thread, inside=WALLS)
            raised = interrupt.interrupt(self.thread, DeadlineExceeded, inside=WALLS)
            if raised:
                self._interrupted = True
                self._next_try = now + AGAIN
            if is_first:
                self.exceeded = self.was_ever_exceeded = True
                self.exceeded_at = now
                told = (stack, raised)
        if told is not None:
            self._report(*told)

    def _report(self, stack: object, raised: bool) -> None:
        mount, environ = self._mount, self._environ
        request_id = environ.get("HTTP_X_REQUEST_ID", "")
        say_aside(
            logger,
            logging.ERROR,
            "%s %s of %s%s has taken longer than %g s%s. It was at:\n%s",
            environ["REQUEST_METHOD"],
            shown_path(environ),
            mount.name,
            f" ({mount.owner})" if mount.owner else "",
            self.limit,
            "" if raised else ", and is not interrupted yet",
            stack,
            extra={"app": mount.name, "owner": mount.owner, "request_id": request_id},
        )


class Watchdog:
    """A thread that looks at all clocks of this process while there are any.

    It begins with the first request, so that nothing runs before a fork. Whatever it makes may set
    off a garbage collection, and so finalizers of apps: one that hangs there is replaced.
    """

    def __init__(self) -> None:
        self._on_stuck: Callable[[int], None] = lambda count: None
        self.reset()

    def reset(self) -> None:
        """Begin anew: a forked process has none of these threads."""
        # Weak: a response that nobody closes is forgotten with its clock.
        self._clocks: set[weakref.ref[Clock]] = set()
        self._busy = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._looked_at = 0.0
        self._counting = threading.Lock()
        self._stuck = 0

    def call_when_stuck(self, report: Callable[[int], None]) -> None:
        """Have ``report`` called with the number of threads that do not come back, as it changes.

        It is called in the thread that notices, and has to be quick.
        """
        self._on_stuck = report

    def watch(self, clock: Clock) -> None:
        """Begin to look at a clock."""
        self._clocks.add(weakref.ref(clock))
        if not self._busy.is_set():
            self._looked_at = monotonic()
            self._busy.set()
            if self._thread is None:
                self._start(None)
        elif monotonic() - self._looked_at > LOST_AFTER:
            self._start(self._thread)

    def forget(self, clock: Clock) -> None:
        """Look no longer at a clock, which stands still; a look that has begun finds no limit."""
        clock.limit = 0
        self._clocks.discard(weakref.ref(clock))
        if clock.was_ever_exceeded:
            self._count(clock)

    def _start(self, lost: threading.Thread | None) -> None:
        """Start the thread in place of one that is lost; None where there is none."""
        with self._starting:
            if self._thread is not lost:
                return
            thread = threading.Thread(target=self._run, name="rowhouse-watchdog", daemon=True)
            self._thread, self._looked_at = thread, monotonic()
            try:
                thread.start()
            except (RuntimeError, MemoryError):  # the next request tries again
                self._thread = None
                self._busy.clear()

    def _run(self) -> None:
        while self._thread is threading.current_thread():
            self._busy.wait()
            self._looked_at = monotonic()
            _outlived(self._look)
            if not self._clocks:
                self._busy.clear()
                if self._clocks:  # one began in between
                    self._busy.set()
            sleep(TICK)

    def _look(self) -> None:
        for known in list(self._clocks):
            clock = known()
            if clock is None:
                self._clocks.discard(known)
                continue
            _outlived(clock.check)
            if clock.exceeded:
                _outlived(partial(self._count, clock))

    def _count(self, clock: Clock) -> None:
        """Report where a thread hangs, or is back: that before its request is given back."""
        with self._counting:
            is_stuck = clock.is_stuck and weakref.ref(clock) in self._clocks
            if is_stuck != clock.is_counted:
                clock.is_counted = is_stuck
                self._stuck += 1 if is_stuck else -1
                self._on_stuck(self._stuck)


def _outlived(step: Callable[[], None]) -> None:
    try:
        step()
    except BaseException:
        say_aside(
            logger, logging.ERROR, "the watchdog stumbled, and goes on:\n%s", traceback.format_exc()
        )
