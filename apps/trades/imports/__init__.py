"""Imports: trades from CSV files, in the background, as pages and as JSON."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Flask

from apps.trades import csrf
from apps.trades.database import db
from apps.trades.imports import tasks, views
from apps.trades.imports.api import api
from apps.trades.imports.models import ImportJob
from apps.trades.owners import guard_pages
from shared_utils.tasks import register

bp = APIBlueprint(
    "imports",
    __name__,
    url_prefix="/imports",
    template_folder="templates",
    static_folder="static",
    enable_openapi=False,  # pages
)

bp.before_request(guard_pages)
bp.before_request(views.take_large_bodies)
bp.before_request(csrf.check)
bp.add_url_rule("/", view_func=views.index)
bp.add_url_rule("/", view_func=views.begin, methods=["POST"])
bp.add_url_rule("/<int:import_id>", view_func=views.show)
bp.add_url_rule("/<int:import_id>/progress", view_func=views.progress)


def init_app(app: Flask) -> None:
    """Register the service, and its jobs."""
    app.register_blueprint(bp)
    app.register_blueprint(api)
    register(app, db, ImportJob, ring=tasks.run.ring)
