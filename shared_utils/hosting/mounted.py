"""A mount at work: the WSGI application behind one prefix, built or not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from time import monotonic
from typing import TYPE_CHECKING

from flask import Flask

from shared_utils.hosting import cookies
from shared_utils.hosting.blocking import Habit
from shared_utils.hosting.maintenance import (
    RETRY_AFTER,
    Maintenance,
    NoMaintenance,
    default_message,
)
from shared_utils.hosting.settings import prefixes
from shared_utils.hosting.settings.mounts import Mount
from shared_utils.hosting.telemetry.record import current
from shared_utils.hosting.walls import refusals
from shared_utils.hosting.walls.barrier import Exchange
from shared_utils.hosting.walls.body import announced
from shared_utils.hosting.walls.walls import Walls
from shared_utils.logging import app_name
from shared_utils.sibling import IDENTITY_COOKIE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Mounted:
    """One mount in this process. Called as WSGI, it passes on to its app, or says why it cannot.

    Args:
        mount: its settings.
        walls: what it shares with its neighbours.
        wake: called where a request comes and there is no app.
        maintenance: knows whether the operator has closed it; None: never.
        issuer: it is the one mount that may set the identity cookie.

    Attributes:
        mount: its settings; others after it was down and its manifest was mended.
        walls: what it shares with its neighbours.
        build_seconds: how long its last successful build took.
        failure: in a few words, why it is down; empty where it is not.
        portal: prefix of the mount that shows all others; None in that one, or without one.
        habit: whether its requests wait for something.
    """

    def __init__(
        self,
        mount: Mount,
        *,
        walls: Walls,
        wake: Callable[[Mounted], None],
        maintenance: Maintenance | None = None,
        issuer: bool = False,
    ) -> None:
        self.walls, self._wake, self._issuer = walls, wake, issuer
        self._bulkhead = walls.bulkhead
        self._maintenance = maintenance or NoMaintenance()
        self._app: WSGIApplication | None = None
        self._settled = threading.Event()
        self._has_begun = False
        self._retry_at = 0.0
        self._sessions: Collection[str] = ()
        self._kept_out: Collection[str] = ()
        self.build_seconds: float | None = None
        self.failure = ""
        self.portal: str | None = None
        self.habit = Habit()
        self.place(mount)

    def place(self, mount: Mount) -> None:
        """Take on these settings."""
        self.mount = mount
        self._bulkhead.place(mount.name, mount.limits)
        self._script_name = prefixes.script_name(mount.prefix or "/")
        self._terms = self.walls.terms(mount, self._scoped)
        self.keep_out(self._sessions)

    # What the builder says of it.

    def up(self, app: WSGIApplication, seconds: float) -> None:
        """Serve ``app`` from now on."""
        self._app = app
        self.build_seconds, self.failure = seconds, ""
        self._settled.set()

    def down(self, failure: str, retry_at: float) -> None:
        """Answer 503 from now on; the next try is at ``retry_at`` (``time.monotonic()``)."""
        self.failure, self._retry_at = failure, retry_at
        self._settled.set()

    def starting(self) -> None:
        """Say that its first build has begun."""
        self._has_begun = True

    def reset_after_fork(self) -> None:
        """Take new locks: a thread that does not exist here may have held the old ones."""
        settled, self._settled = self._settled, threading.Event()
        if settled.is_set():
            self._settled.set()

    def keep_out(self, sessions: Collection[str]) -> None:
        """Do not pass in cookies of these names but its own: they are its neighbours' sessions.

        Nor the identity, where the operator does not give it to this mount, however an app has
        named its session.
        """
        self._sessions = sessions
        kept_out = {*sessions} - {IDENTITY_COOKIE}
        self._kept_out = frozenset(
            kept_out if self.mount.identity else {*kept_out, IDENTITY_COOKIE}
        )

    # What its neighbours see of it.

    @property
    def state(self) -> str:
        """``maintenance`` while the operator has closed it, else what :attr:`build_state` says."""
        closed = self._maintenance.message_for(self.mount.name) is not None
        return "maintenance" if closed else self.build_state

    @property
    def build_state(self) -> str:
        """``up``, ``lazy``, ``starting`` or ``down``, whether it is in maintenance or not."""
        if self._app is not None:
            return "up"
        if self.failure:
            return "down"
        return "lazy" if self.mount.load == "lazy" and not self._has_begun else "starting"

    @property
    def is_built(self) -> bool:
        """Whether the application, of whatever kind, is built."""
        return self._app is not None

    @property
    def flask_app(self) -> Flask | None:
        """The built Flask app; None while it is not built, or where it is of another kind."""
        return self._app if issubclass(type(self._app), Flask) else None  # type: ignore[return-value]

    @property
    def session_cookie(self) -> str:
        """Name of its session cookie, as far as that is known before it is built."""
        app = self.flask_app
        # The app's team may have set anything, or emptied its config.
        name = app.config.get("SESSION_COOKIE_NAME") if app else None
        return name if isinstance(name, str) and name else f"{self.mount.name}_session"

    def wait(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for a build that has begun; say whether it has ended."""
        return self._settled.wait(timeout)

    # What a client gets.

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        mount, app = self.mount, self._app
        name = mount.name
        app_name.set(name)
        record = current.get()
        record.app = name
        maintenance, now = self._maintenance, monotonic()
        if now >= maintenance.all_open_until:
            message = maintenance.message_for(name)
            if message is not None:
                return self._unavailable(environ, message)(environ, start_response)
        if "CONTENT_LENGTH" in environ and announced(environ) > mount.limits.max_body:
            return refusals.too_large(mount, environ)(environ, start_response)
        exchange = Exchange(self._terms, self._bulkhead, record, environ, start_response)
        if not exchange.hold(name, app is not None):
            record.shed = "threads"
            return self._busy(environ)(environ, start_response)
        was_parked = not exchange.runs
        if was_parked:
            began, left = monotonic(), mount.limits.queue_timeout
            if app is None:
                app = self._built_by_now()
                left = max(0.0, left - (monotonic() - began))
            runs = app is not None and exchange.run(left, mount.limits.deadline)
            record.parked = monotonic() - began
            record.waited += record.parked
            if not runs:
                exchange.let_go()
                if app is None:
                    return self._unavailable(environ)(environ, start_response)
                record.shed = "queue_timeout"
                return self._busy(environ)(environ, start_response)
        assert app is not None  # or it would not run
        cookie = environ.get("HTTP_COOKIE")
        if cookie is not None and self._kept_out:
            self._strip(environ, cookie)
        if was_parked:  # its turn is another one's already
            return exchange.begin(app, blocks=True)
        habit = self.habit
        if now < habit.looks_at:
            return exchange.begin(app)
        return habit.begin(exchange, app, now)

    def _scoped(self, headers: cookies.Headers, script_name: str) -> cookies.Headers:
        """Return headers with cookies as they may leave this mount."""
        if not self._issuer:
            headers = cookies.without_identity(headers)
        if self.mount.cookies == "shared":
            return headers
        return cookies.scoped(headers, script_name, self._script_name, issuer=self._issuer)

    def _strip(self, environ: WSGIEnvironment, cookie: str) -> None:
        own = self.session_cookie
        keep = own if own != IDENTITY_COOKIE else ""
        kept = cookies.without(cookie, self._kept_out, keep=keep)
        if kept:
            environ["HTTP_COOKIE"] = kept
        else:
            del environ["HTTP_COOKIE"]

    def _built_by_now(self) -> WSGIApplication | None:
        """Return the app after the wait that a lazy one asks for."""
        self._wake(self)
        if self.mount.load == "lazy":
            self._settled.wait(self.mount.limits.queue_timeout)
        return self._app

    def _unavailable(self, environ: WSGIEnvironment, message: str | None = None) -> WSGIApplication:
        """Return a 503: ``message`` is the operator's, None where it is not in maintenance."""
        current.get().unserved = True
        title, reach = self.mount.title, True
        if message is not None:
            detail, retry_after = message or default_message(title), float(RETRY_AFTER)
            reach = not message
        elif self.failure:
            detail = f"{title} is not available at the moment."
            retry_after = self._retry_at - monotonic()
        else:
            detail, retry_after = f"{title} is starting.", 1.0
        return refusals.refusal(
            self.mount,
            environ,
            503,
            detail,
            retry_after=retry_after,
            reach=reach,
            portal=self._portal_url(environ),
        )

    def _busy(self, environ: WSGIEnvironment) -> WSGIApplication:
        """Return the answer to a request that is shed."""
        return refusals.busy(self.mount, environ, portal=self._portal_url(environ))

    def _portal_url(self, environ: WSGIEnvironment) -> str | None:
        """Return where the portal is for this client, who may be behind a proxy's prefix."""
        if self.portal is None:
            return None
        outer = environ.get("SCRIPT_NAME", "").removesuffix(self._script_name)
        return cookies.as_path(outer + prefixes.script_name(self.portal)) + "/"
