"""A mount at work: the WSGI application behind one prefix, built or not."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask

from shared_utils.hosting import cookies
from shared_utils.hosting.settings import prefixes
from shared_utils.hosting.settings.mounts import Mount
from shared_utils.logging import app_name, request_id
from shared_utils.problems import problem

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Mounted:
    """One mount in this process. Called as WSGI, it passes on to its app, or says why it cannot.

    Attributes:
        mount: its settings; others after it was down and its manifest was mended.
        build_seconds: how long its last successful build took.
        failure: in a few words, why it is down; empty where it is not.
    """

    def __init__(self, mount: Mount, *, wake: Callable[[Mounted], None]) -> None:
        self._wake = wake
        self._app: WSGIApplication | None = None
        self._settled = threading.Event()
        self._has_begun = False
        self._retry_at = 0.0
        self._sessions: Collection[str] = ()
        self.build_seconds: float | None = None
        self.failure = ""
        self.place(mount)

    def place(self, mount: Mount) -> None:
        """Take on these settings."""
        self.mount = mount
        self._script_name = prefixes.script_name(mount.prefix or "/")

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
        """Do not pass in cookies of these names but its own: they are its neighbours' sessions."""
        self._sessions = sessions

    # What its neighbours see of it.

    @property
    def state(self) -> str:
        """``up``, ``lazy``, ``starting`` or ``down``."""
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
        app_name.set(self.mount.name)
        app = self._app or self._built_by_now()
        if app is None:
            return self._unavailable(environ)(environ, start_response)
        cookie = environ.get("HTTP_COOKIE")
        if cookie is not None and self._sessions:
            self._strip(environ, cookie)
        if self.mount.cookies == "shared":
            return app(environ, start_response)
        script_name = environ["SCRIPT_NAME"]

        def start(status: str, headers: cookies.Headers, exc_info: Any = None) -> Any:
            for name, _ in headers:
                if name.lower() == "set-cookie":
                    headers = cookies.scoped(headers, script_name, self._script_name)
                    break
            return start_response(status, headers, exc_info)

        return app(environ, start)

    def _strip(self, environ: WSGIEnvironment, cookie: str) -> None:
        kept = cookies.without(cookie, self._sessions, keep=self.session_cookie)
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

    def _unavailable(self, environ: WSGIEnvironment) -> WSGIApplication:
        mount = self.mount
        reach = f" {mount.owner or 'Its team'} can help: {mount.contact}." if mount.contact else ""
        if self.failure:
            retry_after = max(1, math.ceil(self._retry_at - time.monotonic()))
            detail = f"{mount.title} is not available at the moment.{reach}"
        else:
            retry_after = 1
            detail = f"{mount.title} is starting.{reach}"
        return problem(
            503,
            detail,
            accept=environ.get("HTTP_ACCEPT"),
            app=mount.name,
            request_id=request_id.get() or None,
            headers={"Retry-After": str(retry_after)},
            contact=mount.contact or None,
        )
