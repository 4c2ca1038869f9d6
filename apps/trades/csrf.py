"""Forms that only our own pages can send (Flask-WTF).

A page that shows a form puts a token into it, and a request that could change something has to
bring it back:

    <input type="hidden" name="csrf_token" value="{{ csrf_token() }}">

The API needs none: no form can send what it takes, and a browser asks us before a script of another
origin may (Fetch standard, CORS-preflight), which we never allow. A sibling is of the same origin:
against a script of a sibling, no token helps.
"""

from __future__ import annotations

from flask import Flask, abort, current_app
from flask_wtf.csrf import CSRFError

from shared_utils import forms


def init_app(app: Flask) -> None:
    """Give the templates of ``app`` their ``csrf_token()``."""
    # Checked by the blueprints of pages: after who it is, and what may be sent, is known.
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    forms.protect(app)


def check() -> None:
    """Refuse, with 400, a form without the session's token; for ``before_request`` of pages."""
    try:
        current_app.extensions["csrf"].protect()
    except CSRFError:
        abort(
            400,
            "This form was opened too long ago, or not on our page: open the page again and send "
            "it from there. Programs use the API.",
        )
