"""The operator's console: how every app of the host is doing, and what to do about it.

Grouped by function:

    routes/     which URL leads to which view
    views/      what answers
    templates/  the pages
    static/     the console's own styles and script; vendor/ is what others wrote
    hooks.py    who may come in, and what runs around every request
    forms.py    what is asked before something is done
    audit.py    who has done what
    filters.py  how a page puts figures, times and contacts
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from apps.ops import filters, hooks
from apps.ops.routes import actions, apps, row
from config import configure_app
from shared_utils import errors, identity, look
from shared_utils.forms import protect


def create_app(overrides: Mapping[str, Any] | None = None) -> Flask:
    """Make the console.

    Args:
        overrides: config above every other layer, such as a test's.
    """
    app = Flask(__name__)
    configure_app(app, overrides)
    identity.init_app(app)
    look.init_app(app)
    app.before_request(hooks.let_operators_in)  # before the look for a token: they get 403
    protect(app)
    app.register_blueprint(row.bp)
    app.register_blueprint(apps.bp)
    app.register_blueprint(actions.bp)
    app.after_request(hooks.set_headers)
    errors.init_app(app, template="ops/error.html")
    hooks.init_app(app)
    filters.init_app(app)
    return app
