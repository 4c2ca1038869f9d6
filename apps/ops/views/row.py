"""All apps together: the table, and the last 15 minutes."""

from __future__ import annotations

from flask import current_app, render_template, request
from flask.typing import ResponseReturnValue

from shared_utils.operations import Operations


def index() -> ResponseReturnValue:
    """Show a row for each app, and the charts."""
    return render_template("ops/index.html", seen=Operations.of(current_app).overview())


def rows() -> ResponseReturnValue:
    """Return the part of the page that changes, for its script to ask for."""
    return render_template("ops/rows.html", seen=Operations.of(current_app).overview())


def history() -> ResponseReturnValue:
    """Return the last 15 minutes as JSON: what the charts are drawn from, and then go on with."""
    since, app = request.args.get("since", 0.0, float), request.args.get("app", "")
    series = Operations.of(current_app).series(since, app)
    return {"at": series.at, "apps": series.apps}
