"""The ledger: the book of trades, as a page and as JSON."""

from __future__ import annotations

from flask import Blueprint

from apps.trades.ledger import views

bp = Blueprint(
    "ledger", __name__, url_prefix="/ledger", template_folder="templates", static_folder="static"
)

bp.add_url_rule("/", view_func=views.index)
bp.add_url_rule("/", view_func=views.record, methods=["POST"])
bp.add_url_rule("/trades.json", view_func=views.trades)
bp.add_url_rule("/trades/<int:trade_id>.json", view_func=views.trade)
