"""Forms that only our own pages can send.

A page that shows a form puts a random token in the session and in the form; a request that could
change something has to bring it back:

    <input type="hidden" name="csrf_token" value="{{ csrf_token() }}">

The API needs none: no form can send what it takes, and a browser asks us before a script of another
origin may (Fetch standard, CORS-preflight), which we never allow. A sibling is of the same origin:
against a script of a sibling, no token helps.
"""

from __future__ import annotations

import hmac
import secrets

from flask import abort, request, session

FIELD = "csrf_token"

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
"""Methods that change nothing (RFC 9110, section 9.2.1)."""


def token() -> str:
    """Return the session's token, made on first use."""
    if FIELD not in session:
        session[FIELD] = secrets.token_urlsafe(32)
    held: str = session[FIELD]
    return held


def check() -> None:
    """Refuse, with 400, a form without the session's token; for ``before_request`` of pages."""
    if request.method in _SAFE_METHODS:
        return
    held = session.get(FIELD, "")
    sent = request.form.get(FIELD, "")
    # As bytes: compare_digest refuses text beyond ASCII, which a client may well send.
    if not held or not hmac.compare_digest(held.encode(), sent.encode()):
        abort(
            400,
            "This form was opened too long ago, or not on our page: open the page again and send "
            "it from there. Programs use the API.",
        )
