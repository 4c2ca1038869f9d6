"""Trades: record them, and read them back.

Grouped by division, a package for each service:

    ledger/     the book of trades
    templates/  what the pages of all services share
    static/     their stylesheet and icon
    database.py where they are stored, and migrations/, which make and change the tables
    csrf.py     forms that only our own pages can send
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, redirect, url_for
from flask.typing import ResponseReturnValue

from apps.trades import csrf, ledger
from apps.trades.database import db
from apps.trades.ledger.constants import PAGE_SIZE
from config import configure_app
from shared_utils import errors

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Pages need stylesheets, an icon and their own forms, and no script (CSP Level 3)."""


def create_app(overrides: Mapping[str, Any] | None = None) -> Flask:
    """Make the app.

    Args:
        overrides: config above every other layer, such as a test's.

    Raises:
        ValueError: a value of the config is not one that the app can work with.
    """
    app = Flask(__name__)
    configure_app(app, overrides)
    complete_config(app)
    db.init_app(app)
    app.register_blueprint(ledger.bp)
    app.add_url_rule("/", view_func=index)
    app.before_request(csrf.check)
    app.after_request(set_content_security_policy)
    errors.init_app(app, template="trades/error.html")
    app.add_template_global(csrf.token, "csrf_token")
    return app


def complete_config(app: Flask) -> None:
    """Set what no layer of the config did, and check what the app would stumble over later.

    Raises:
        ValueError: ``PAGE_SIZE`` is not a whole number above 0, or ``DATABASE`` is set, which
            held a path and has become ``DATABASE_URL``.
    """
    if path := app.config.get("DATABASE"):
        raise ValueError(f"DATABASE is not read any more; write DATABASE_URL = 'sqlite:///{path}'")
    size = app.config.setdefault("PAGE_SIZE", PAGE_SIZE)
    if not isinstance(size, int) or size < 1:
        raise ValueError(f"PAGE_SIZE is {size!r}; write a whole number above 0, such as 50")


def index() -> ResponseReturnValue:
    """Lead to the ledger, the one service there is."""
    return redirect(url_for("ledger.index"))


def set_content_security_policy(response: Response) -> Response:
    """Allow pages nothing but what this app itself serves."""
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    return response
