"""One build of one mount, in a thread of its own."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from shared_utils.hosting import interrupt, modules, telling
from shared_utils.hosting.mounted import Mounted
from shared_utils.logging import app_name

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class StartupTimeout(BaseException):
    """Raised in a build that takes longer than its ``startup_timeout``."""


class Attempt:
    """One build on its way.

    Args:
        mounted: the mount that is built.
        work: builds it; may raise anything, hang, or leave what it raises unspeakable.
        report: called in the attempt's thread when the work is over, whatever came of it.

    Attributes:
        began: when, by ``time.monotonic()``; ``began_at`` by the clock of the file system.
        loaded_before: modules of the mount's own package that were loaded at that time.
        expired: it has taken longer than ``startup_timeout``, and its mount is down for it.
        app: what was built; None while it is not, or where it failed.
        failure: in a few words, why it failed; ``traceback`` in many.
    """

    def __init__(
        self,
        mounted: Mounted,
        *,
        work: Callable[[], WSGIApplication],
        report: Callable[[Attempt], None],
    ) -> None:
        self.mounted = mounted
        self.began, self.began_at = monotonic(), time.time()
        self.loaded_before = modules.loaded(mounted.mount.package)
        self.expired = False
        self.app: WSGIApplication | None = None
        self.failure = ""
        self.traceback = ""
        self._work, self._report = work, report
        # Held while the thread is interrupted, and while it finishes: no interrupt comes after.
        self._lock = threading.Lock()
        self._finished = False
        self._thread = threading.Thread(
            # A context of its own: what asked for the build may be a request.
            target=contextvars.Context().run,
            args=[self._run],
            name=f"rowhouse-build-{mounted.mount.name}",
            daemon=True,
        )

    @property
    def limit(self) -> float:
        """The moment by which it has to be over, by ``time.monotonic()``."""
        return self.began + self.mounted.mount.limits.startup_timeout

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return monotonic() - self.began

    @property
    def is_alive(self) -> bool:
        """Whether its thread still runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin.

        Raises:
            RuntimeError: the machine has no thread left for it.
        """
        self._thread.start()

    def interrupt(self) -> str | None:
        """Interrupt it where that is safe, and return where it was; None where it is over."""
        with self._lock:
            if self._finished or self._thread.ident is None:
                return None
            stack = str(interrupt.Stack(self._thread.ident))
            interrupt.interrupt(self._thread.ident, StartupTimeout)
            return stack

    def _run(self) -> None:
        app_name.set(self.mounted.mount.name)
        try:
            app = self._work()
        # A factory may raise anything, SystemExit included: none of it may reach a neighbour.
        except BaseException as error:
            # Here, because this may run code of the app too, and may be interrupted.
            self.failure, self.traceback = telling.told(error)
        else:
            self.app = app
        while not self._finished:
            try:
                with self._lock:
                    self._finished = True
                interrupt.land()
            except StartupTimeout:
                pass
        self._report(self)
