"""Accounts: who may sign in, and the token that tells the other apps who did.

Grouped by division, a package for each service:

    users/      who there is, and how they are stored
    sessions/   sign in and out; tokens for programs
    profile/    sign up, the page about an account, change its password
    templates/  what the pages of all services share
    database.py where users are stored, and migrations/, which make and change the tables
    hashing.py  passwords as argon2 keeps them, and how many are worked on at once
    limits.py   how often somebody may try
    cli.py      commands for the operator
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response

from apps.accounts import cli, hashing, limits, profile, sessions
from apps.accounts.database import db
from config import configure_app
from shared_utils import errors, forms, health, identity, look
from shared_utils.identity.keys import PrivateKey

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Pages need a stylesheet, an icon and their own forms, and no script (CSP Level 3)."""


def create_app(overrides: Mapping[str, Any] | None = None) -> Flask:
    """Make the app, and at its first start the keys that tokens are signed with.

    Args:
        overrides: config above every other layer, such as a test's.

    Raises:
        ValueError: a value of the config, or a file of keys, is not one that the app can work with.
    """
    app = Flask(__name__)
    configure_app(app, overrides)
    app.config.setdefault("SIGN_UP", True)
    db.init_app(app)
    hashing.init_app(app)
    identity.init_app(app)
    look.init_app(app)
    key = app.extensions[sessions.PRIVATE_KEY] = PrivateKey(app)
    key.make()
    csrf = forms.protect(app)
    app.register_blueprint(profile.bp)
    app.register_blueprint(sessions.bp)
    app.register_blueprint(sessions.api)
    csrf.exempt(sessions.api)  # takes JSON alone, and no cookie: nothing that a form could send
    limits.init_app(app)
    app.after_request(set_headers)
    errors.init_app(app, template="accounts/error.html")
    cli.init_app(app)
    health.check(app, "database", db.ping)
    return app


def set_headers(response: Response) -> Response:
    """Allow pages nothing but what this app itself serves, and keep them out of every cache."""
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.headers.setdefault("Cache-Control", "no-store")
    return response
