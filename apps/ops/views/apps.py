"""One app: how it is, what runs in it, what it is made of."""

from __future__ import annotations

from flask import abort, current_app, render_template, request
from flask.typing import ResponseReturnValue

from shared_utils.operations import Operations
from shared_utils.operations.rows import MountRow
from shared_utils.sibling import sibling_of


def show(name: str) -> ResponseReturnValue:
    """Show all that is known of one app."""
    return _shown("ops/app.html", name, inside=Operations.of(current_app).inside(name))


def now(name: str) -> ResponseReturnValue:
    """Return the part of that page that is of this moment, for its script to ask for."""
    return _shown("ops/now.html", name)


def recent(name: str) -> ResponseReturnValue:
    """Return the part of it that is of the last minutes, likewise."""
    host = Operations.of(current_app)
    found(host, name)
    return render_template("ops/recent.html", requests=host.requests(name))


def _shown(template: str, name: str, **more: object) -> str:
    host = Operations.of(current_app)
    seen = host.overview()
    row = next((row for row in seen.rows if row.name == name), None)
    if row is None:
        abort(404, f"There is no app called {name}.")
    requests, own = host.requests(name), sibling_of(current_app).name
    return render_template(template, row=row, seen=seen, requests=requests, own=own, **more)


def stack(name: str) -> ResponseReturnValue:
    """Show where a running request is: as a part of a page for its script, else as a page."""
    args = request.args
    worker, thread = args.get("worker", 0, int), args.get("thread", 0, int)
    wanted = args.get("request", "")
    told = Operations.of(current_app).stack(worker, thread, wanted)
    template = "ops/stack_part.html" if "HX-Request" in request.headers else "ops/stack.html"
    return render_template(template, name=name, stack=told, wanted=wanted)


def found(host: Operations, name: str) -> MountRow:
    """Return the row of an app.

    Raises:
        NotFound: there is none of this name.
    """
    row = next((row for row in host.overview().rows if row.name == name), None)
    return row if row is not None else abort(404, f"There is no app called {name}.")
