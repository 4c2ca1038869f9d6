"""Files that are asked for at fixed names, not under ``/static/``."""

from __future__ import annotations

from flask import Response, current_app


def robots() -> Response:
    """Ask robots to stay away; the apps are for the people who work with them (RFC 9309)."""
    return current_app.send_static_file("robots.txt")


def favicon() -> Response:
    """Answer what browsers ask for unprompted; the icon is an SVG, whatever the name says."""
    return current_app.send_static_file("favicon.svg")
