"""URLs of the portal and of the two files that a browser or a robot asks a whole site for."""

from __future__ import annotations

from flask import Blueprint

from apps.home.views import files, portal

bp = Blueprint("portal", __name__, url_prefix="/")

bp.add_url_rule("/", view_func=portal.index)
bp.add_url_rule("/robots.txt", view_func=files.robots)
bp.add_url_rule("/favicon.ico", view_func=files.favicon)
