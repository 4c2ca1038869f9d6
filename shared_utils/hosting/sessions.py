"""Flask's signed-cookie sessions, at no cost to requests that bring none."""

from __future__ import annotations

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface


class FrugalSessions(SecureCookieSessionInterface):
    """Flask's default, which does not look for a session where no such cookie was sent.

    Every app of a row has a key, so that Flask opens a session for each request, used or not.
    Most of what that costs is to parse cookies and to make a serializer.
    """

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the session that the request brings, or an empty one."""
        name = self.get_cookie_name(app)
        if app.secret_key and name not in request.environ.get("HTTP_COOKIE", ""):
            return self.session_class()
        return super().open_session(app, request)


def be_frugal(app: Flask) -> None:
    """Give ``app`` these sessions, unless it has chosen some of its own."""
    if type(app.session_interface) is SecureCookieSessionInterface:
        app.session_interface = FrugalSessions()
