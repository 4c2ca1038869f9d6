"""How a page puts figures, times and contacts: filters of its templates."""

from __future__ import annotations

import datetime
import time

from flask import Flask

from shared_utils.contact import contact_url
from shared_utils.operations.columns import HEADINGS, columns
from shared_utils.operations.wording import seconds


def init_app(app: Flask) -> None:
    """Give them to the app's templates."""
    for function in (ago, columns, contact_url, moment, seconds):
        app.add_template_filter(function)
    app.jinja_env.globals["HEADINGS"] = HEADINGS


def ago(at: float) -> str:
    """Return how long ago a moment (``time.time()``) was."""
    past = time.time() - at
    if past < 2:
        return "now"
    if past < 100:
        return f"{past:.0f} s ago"
    if past < 6000:
        return f"{past / 60:.0f} min ago"
    return f"{past / 3600:.0f} h ago" if past < 36 * 3600 else f"{past / 86400:.0f} days ago"


def moment(at: float) -> str:
    """Return a moment (``time.time()``) as ISO 8601 has it, in UTC."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="seconds")
