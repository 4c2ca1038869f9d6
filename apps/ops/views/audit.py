"""Who has done what."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from apps.ops import audit


def index() -> ResponseReturnValue:
    """Show the last actions, newest first."""
    return render_template("ops/audit.html", entries=audit.entries(), shown=audit.SHOWN)
