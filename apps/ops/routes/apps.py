"""URLs of what is about one app."""

from __future__ import annotations

from flask import Blueprint

from apps.ops.views import apps

bp = Blueprint("apps", __name__, url_prefix="/apps")

bp.add_url_rule("/<name>", view_func=apps.show)
bp.add_url_rule("/<name>/now", view_func=apps.now)
bp.add_url_rule("/<name>/recent", view_func=apps.recent)
bp.add_url_rule("/<name>/stack", view_func=apps.stack)
