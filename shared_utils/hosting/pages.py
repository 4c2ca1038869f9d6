"""The host's own answers: its pages under ``/-/``, and what no mount answers."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from shared_utils.hosting import counting
from shared_utils.hosting.row import Row
from shared_utils.hosting.telemetry import scraping
from shared_utils.logging import request_id
from shared_utils.problems import problem

if TYPE_CHECKING:
    from shared_utils.hosting.telemetry.metrics import Metrics

bp = Blueprint("host", __name__)

ROW, METRICS = "rowhouse-row", "rowhouse-metrics"


def row_of(host: Flask) -> Row:
    """Return the row of a host that ``dispatcher.create_app`` made."""
    row: Row = host.extensions[ROW]
    return row


def metrics_of(host: Flask) -> Metrics:
    """Return what such a host counts."""
    metrics: Metrics = host.extensions[METRICS]
    return metrics


def begin_sampling(host: Flask) -> None:
    """Take down each second what the mounts of this process are."""
    counting.begin(row_of(host), metrics_of(host))


@bp.get("/-/live")
def live() -> Response:
    """Answer while the process serves."""
    return Response("live\n", mimetype="text/plain", headers={"Cache-Control": "no-store"})


@bp.get("/-/ready")
def ready() -> tuple[Response, int, dict[str, str]]:
    """Answer 200, or 503 while a required mount is not up; tell each mount's state and load.

    With ``?verbose`` tell what came of their health checks as well; why one fails, which may be
    anything that an app has raised, only to those who may see the metrics.
    """
    row = row_of(current_app)
    row.builder.start()  # a process that was forked since has none yet
    row.checks.start()
    mounts: dict[str, dict[str, Any]] = {
        name: {
            "state": mounted.state,
            "prefix": mounted.mount.prefix,
            "required": mounted.mount.required,
            **dataclasses.asdict(row.walls.bulkhead.load(name)),
        }
        for name, mounted in row.mounts.items()
    }
    if "verbose" in request.args:
        hidden: dict[str, str] = {} if scraping.may_see(request) else {"detail": ""}
        for name, told in mounts.items():
            results = map(dataclasses.asdict, row.checks.results(name))
            told["checks"] = [result | hidden for result in results]
    is_ready = row.is_ready
    content = {"status": "ready" if is_ready else "unready", "mounts": mounts}
    return jsonify(content), 200 if is_ready else 503, {"Cache-Control": "no-store"}


@bp.get("/-/metrics")
def metrics() -> BaseResponse:
    """Answer with the metrics of all workers, to this machine or whoever has the token."""
    counted = metrics_of(current_app)
    with contextlib.suppress(OSError):  # a full disk, which the sampler tells of
        counting.sample(row_of(current_app), counted)
    return scraping.scraped(request, counted, request_id.get())


def answer_error(error: HTTPException) -> BaseResponse:
    """Say in the host's own words what is wrong: most often that nothing is mounted here."""
    code = error.code or 500
    if error.response is not None or code < 400:
        return error.get_response()
    if request.method == "OPTIONS" and request.environ["SCRIPT_NAME"].endswith("*"):
        # OPTIONS * asks about the server as a whole (RFC 9110, section 9.3.7).
        return Response(
            status=204, headers={"Allow": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}
        )
    detail = f"Nothing is mounted at {request.path}." if code == 404 else error.description
    allow = {name: value for name, value in error.get_headers() if name == "Allow"}
    return problem(
        code,
        detail or error.name,
        accept=request.headers.get("Accept"),
        request_id=request_id.get() or None,
        headers=allow,
    )
