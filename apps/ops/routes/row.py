"""URLs of what is about all apps together."""

from __future__ import annotations

from flask import Blueprint

from apps.ops.views import audit, row

bp = Blueprint("row", __name__, url_prefix="/")

bp.add_url_rule("/", view_func=row.index)
bp.add_url_rule("/rows", view_func=row.rows)
bp.add_url_rule("/history", view_func=row.history)
bp.add_url_rule("/audit", view_func=audit.index, endpoint="audit")
