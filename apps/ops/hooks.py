"""Who may come in, and what runs around every request of the console."""

from __future__ import annotations

from flask import Flask, Response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as BaseResponse

from shared_utils import identity
from shared_utils.operations import NoHostError
from shared_utils.problems import prefers_html, problem

ROLE = "operator"

OPEN = frozenset({"static", "look.file", "rowhouse_live"})
"""Endpoints for everybody: files that the sign-in page has as well, and the probe."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Pages need only what this host serves (CSP Level 3)."""


def init_app(app: Flask) -> None:
    """Answer in the console's own words where there is no host to look at."""
    app.register_error_handler(NoHostError, no_host)


def let_operators_in() -> BaseResponse | None:
    """Refuse whoever is no operator, on every page and action but those in ``OPEN``."""
    return None if request.endpoint in OPEN else identity.refusal(ROLE)


def no_host(error: NoHostError) -> ResponseReturnValue:
    """Say that this app is alone: everything else here is about a host."""
    status = 200 if request.endpoint == "row.index" else 503
    if status == 200 or prefers_html(request.headers.get("Accept")):
        return render_template("ops/no_host.html", error=error), status
    return problem(503, str(error))


def set_headers(response: Response) -> Response:
    """Allow pages nothing but what this host serves, and keep them out of every cache."""
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    if request.endpoint not in OPEN:
        response.headers["Cache-Control"] = "no-store"
        response.vary.add("HX-Request")
    return response
