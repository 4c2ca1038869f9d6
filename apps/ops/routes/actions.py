"""URLs of what an operator can do: GET asks, POST does."""

from __future__ import annotations

from flask import Blueprint

from apps.ops.views import actions

bp = Blueprint("actions", __name__, url_prefix="/apps")

bp.add_url_rule("/<name>/close", view_func=actions.close, methods=["GET", "POST"])
bp.add_url_rule("/<name>/open", view_func=actions.open_again, methods=["GET", "POST"])
bp.add_url_rule("/<name>/rebuild", view_func=actions.rebuild, methods=["GET", "POST"])
