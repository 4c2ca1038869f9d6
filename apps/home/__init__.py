"""The portal: a card for each app of the row.

Grouped by function:

    routes/     which URL leads to which view
    views/      what answers
    templates/  the pages
    static/     what the portal's pages have beyond the shared look; icon, robots.txt
    hooks.py    what runs before and after every request
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from apps.home import hooks
from apps.home.routes import portal
from config import configure_app
from shared_utils import errors, identity, look
from shared_utils.contact import contact_url


def create_app(overrides: Mapping[str, Any] | None = None) -> Flask:
    """Make the portal.

    Args:
        overrides: config above every other layer, such as a test's.
    """
    app = Flask(__name__)
    configure_app(app, overrides)
    look.init_app(app)
    identity.init_app(app)
    app.register_blueprint(portal.bp)
    app.before_request(hooks.look_along_row)
    app.after_request(hooks.set_content_security_policy)
    errors.init_app(app, template="home/error.html")
    app.add_template_filter(contact_url)
    return app
