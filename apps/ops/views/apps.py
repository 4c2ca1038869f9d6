"""One app: how it is, what runs in it, what it is made of."""

from __future__ import annotations

from typing import Any, TypeVar

from flask import abort, current_app, render_template, request
from flask.typing import ResponseReturnValue

from shared_utils.operations import Operations
from shared_utils.sibling import sibling_of

_Found = TypeVar("_Found")


def show(name: str) -> ResponseReturnValue:
    """Show all that is known of one app."""
    host = Operations.of(current_app)
    facts = _now(host, name)
    recent, inside = there(host.recent(name), name), host.inside(name)
    return render_template("ops/app.html", **facts, recent=recent, inside=inside)


def now(name: str) -> ResponseReturnValue:
    """Return the part of that page that is of this moment, for its script to ask for."""
    return render_template("ops/now.html", **_now(Operations.of(current_app), name))


def recent(name: str) -> ResponseReturnValue:
    """Return the part of it that is of the last minutes, likewise."""
    recent = there(Operations.of(current_app).recent(name), name)
    return render_template("ops/recent.html", recent=recent)


def _now(host: Operations, name: str) -> dict[str, Any]:
    seen = host.overview()
    row = there(seen.row(name), name)
    own = sibling_of(current_app).name
    return {"row": row, "seen": seen, "running": host.running(name), "own": own}


def stack(name: str) -> ResponseReturnValue:
    """Show where a running request is: as a part of a page for its script, else as a page."""
    args = request.args
    worker, thread = args.get("worker", 0, int), args.get("thread", 0, int)
    wanted = args.get("request", "")
    told = Operations.of(current_app).stack(worker, thread, wanted)
    template = "ops/stack_part.html" if "HX-Request" in request.headers else "ops/stack.html"
    return render_template(template, name=name, stack=told, wanted=wanted)


def there(found: _Found | None, name: str) -> _Found:
    """Return what was found of an app.

    Raises:
        NotFound: no worker has an app of this name.
    """
    return found if found is not None else abort(404, f"There is no app called {name}.")
