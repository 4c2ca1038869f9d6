"""The portal page."""

from __future__ import annotations

from flask import g, render_template


def index() -> str:
    """Show a card for each app of the row but this one."""
    down = [entry for entry in g.row if entry.state == "down"]
    closed = [entry for entry in g.row if entry.state == "maintenance"]
    return render_template("home/index.html", row=g.row, down=down, closed=closed)
