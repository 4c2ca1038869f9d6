"""The profile: sign-up, the page about an account, and its password."""

from __future__ import annotations

from flask import Blueprint

from apps.accounts.profile import views

bp = Blueprint("profile", __name__, template_folder="templates")

bp.add_url_rule("/", view_func=views.index)
bp.add_url_rule("/sign-up", view_func=views.sign_up, methods=["GET", "POST"])
bp.add_url_rule("/password", view_func=views.change_password, methods=["GET", "POST"])
