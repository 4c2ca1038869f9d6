"""Sessions: sign in and out, on pages, and with tokens for programs."""

from __future__ import annotations

from flask import Blueprint

from apps.accounts.sessions import views
from apps.accounts.sessions.signing import PRIVATE_KEY

__all__ = ["PRIVATE_KEY", "api", "bp"]

bp = Blueprint("sessions", __name__, template_folder="templates")
bp.add_url_rule("/sign-in", view_func=views.sign_in, methods=["GET", "POST"])
bp.add_url_rule("/sign-out", view_func=views.sign_out, methods=["GET", "POST"])

api = Blueprint("sessions_api", __name__, url_prefix="/api/v1")
api.add_url_rule("/token", view_func=views.token, methods=["POST"])
