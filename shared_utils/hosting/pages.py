"""The host's own answers: its pages under ``/-/``, and what no mount answers."""

from __future__ import annotations

import dataclasses

from flask import Blueprint, Flask, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from shared_utils.hosting.row import Row
from shared_utils.logging import request_id
from shared_utils.problems import problem

bp = Blueprint("host", __name__)

ROW = "rowhouse-row"


def row_of(host: Flask) -> Row:
    """Return the row of a host that ``dispatcher.create_app`` made."""
    row: Row = host.extensions[ROW]
    return row


@bp.get("/-/live")
def live() -> Response:
    """Answer while the process serves."""
    return Response("live\n", mimetype="text/plain", headers={"Cache-Control": "no-store"})


@bp.get("/-/ready")
def ready() -> tuple[Response, int, dict[str, str]]:
    """Answer 200, or 503 while a required mount is not up; tell each mount's state and load."""
    row = row_of(current_app)
    row.builder.start()  # a process that was forked since has none yet
    mounts = {
        name: {
            "state": mounted.state,
            "prefix": mounted.mount.prefix,
            "required": mounted.mount.required,
            **dataclasses.asdict(row.walls.bulkhead.load(name)),
        }
        for name, mounted in row.mounts.items()
    }
    status = 200 if row.is_ready else 503
    content = {"status": "ready" if row.is_ready else "unready", "mounts": mounts}
    return jsonify(content), status, {"Cache-Control": "no-store"}


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
