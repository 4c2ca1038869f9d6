"""Trades: record and import them, read them back, and see what is held.

Grouped by division, a package for each service:

    ledger/     the book of trades, and positions
    imports/    trades from CSV files, in the background
    templates/  what the pages of all services share
    static/     their stylesheet and icon
    database.py where they are stored, and migrations/, which make and change the tables
    api.py      what the operations of the JSON API have in common, and their OpenAPI document
    owners.py   whose trades: those of whoever is signed in
    csrf.py     forms that only our own pages can send
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiflask import APIFlask
from flask import Flask, Response, redirect, url_for
from flask.typing import ResponseReturnValue

from apps.trades import api, csrf, imports, ledger
from apps.trades.database import db
from apps.trades.imports import tasks
from apps.trades.imports.constants import UPLOAD_LIMIT
from apps.trades.ledger.constants import PAGE_SIZE
from config import configure_app
from shared_utils import errors, health, identity, look
from shared_utils.tasks import require_worker

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Pages need only what this host serves (CSP Level 3)."""


def create_app(overrides: Mapping[str, Any] | None = None) -> Flask:
    """Make the app.

    Args:
        overrides: config above every other layer, such as a test's.

    Raises:
        ValueError: a value of the config is not one that the app can work with.
    """
    app = APIFlask(
        __name__,
        title="Trades",
        version="1",
        spec_path=None,  # we have one whose URLs are right under any prefix
        docs_path=None,  # it would load its scripts from another host
        json_errors=False,
    )
    configure_app(app, overrides)
    complete_config(app)
    db.init_app(app)
    identity.init_app(app)
    look.init_app(app)
    csrf.init_app(app)
    api.init_app(app)
    ledger.init_app(app)
    imports.init_app(app)
    app.add_url_rule("/", view_func=index)
    app.after_request(set_content_security_policy)
    errors.init_app(app, template="trades/error.html")
    health.check(app, "database", db.ping)
    health.check(app, "task worker", lambda: require_worker(tasks.run.queue))
    return app


def complete_config(app: Flask) -> None:
    """Set what no layer of the config did, and check what the app would stumble over later.

    Raises:
        ValueError: ``PAGE_SIZE`` or ``UPLOAD_LIMIT`` is not a whole number above 0, or
            ``DATABASE`` is set, which held a path and has become ``DATABASE_URL``.
    """
    if path := app.config.get("DATABASE"):
        raise ValueError(f"DATABASE is not read any more; write DATABASE_URL = 'sqlite:///{path}'")
    for key, default in (("PAGE_SIZE", PAGE_SIZE), ("UPLOAD_LIMIT", UPLOAD_LIMIT)):
        size = app.config.setdefault(key, default)
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"{key} is {size!r}; write a whole number above 0, such as {default}")


def index() -> ResponseReturnValue:
    """Lead to the ledger, with which everything begins."""
    return redirect(url_for("ledger.index"))


def set_content_security_policy(response: Response) -> Response:
    """Allow pages nothing but what this host serves."""
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    return response
