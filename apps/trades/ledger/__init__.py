"""The ledger: the book of trades and the positions that they make, as pages and as JSON."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Flask

from apps.trades import csrf
from apps.trades.ledger import books, views
from apps.trades.ledger.api import api
from apps.trades.owners import guard_pages

bp = APIBlueprint(
    "ledger",
    __name__,
    url_prefix="/ledger",
    template_folder="templates",
    enable_openapi=False,  # pages
)

bp.before_request(guard_pages)
bp.before_request(csrf.check)
bp.add_url_rule("/", view_func=views.index)
bp.add_url_rule("/", view_func=views.record, methods=["POST"])
bp.add_url_rule("/<int:trade_id>/delete", view_func=views.remove, methods=["POST"])
bp.add_url_rule("/positions", view_func=views.all_positions)


def init_app(app: Flask) -> None:
    """Register the service."""
    books.init_app(app)
    app.register_blueprint(bp)
    app.register_blueprint(api)
