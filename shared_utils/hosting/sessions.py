"""Flask's signed-cookie sessions, without what they cost a request that does not use them."""

from __future__ import annotations

from typing import Any

from flask import Flask, Request, Response
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from itsdangerous import URLSafeTimedSerializer


class FrugalSessions(SecureCookieSessionInterface):
    """Flask's default, which does nothing for a request that neither brings nor makes a session.

    Every app of a row has a key, so that Flask opens a session for each request, used or not.
    Most of what that costs is to parse cookies and to make a serializer.
    """

    def __init__(self) -> None:
        self._kept: tuple[tuple[Any, ...], URLSafeTimedSerializer | None] = ((), None)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Return the serializer for the app's keys, made anew when one of them changes."""
        keys = (app.secret_key, *(app.config["SECRET_KEY_FALLBACKS"] or ()))
        kept_for, serializer = self._kept
        if kept_for != keys:
            serializer = super().get_signing_serializer(app)
            self._kept = (keys, serializer)
        return serializer

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the session that the request brings, or an empty one."""
        name = self.get_cookie_name(app)
        if app.secret_key and name not in request.environ.get("HTTP_COOKIE", ""):
            return self.session_class()
        return super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Write the session's cookie where there is anything to write."""
        if session or session.accessed or session.modified:
            super().save_session(app, session, response)


def be_frugal(app: Flask) -> None:
    """Give ``app`` these sessions, unless it has chosen some of its own."""
    if type(app.session_interface) is SecureCookieSessionInterface:
        app.session_interface = FrugalSessions()
