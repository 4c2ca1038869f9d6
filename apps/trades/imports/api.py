"""Imports for programs: send a file, and ask how far it is."""

from __future__ import annotations

from typing import Any

from flask import abort, current_app, request, url_for

from apps.trades.api import SECURITY, answers, blueprint, located, takes
from apps.trades.imports import store
from apps.trades.imports.models import ImportJob
from apps.trades.imports.schemas import ImportOut, ImportQuery, RefusedRowOut
from apps.trades.imports.starting import stage_of, start
from apps.trades.owners import owner

api = blueprint("imports_api", __name__, tag="Imports")

_NO_IMPORT = "You have no such import."


@api.post("/imports")
@api.doc(
    security=SECURITY,
    responses=answers(
        _415="The body is not text/csv.",
        _429="Too many of your imports are not finished.",
    )
    | located(202),
    extensions={"requestBody": {"content": {"text/csv": {"schema": {}}}}},
)
@takes("text/csv")
@api.input(ImportQuery, location="query", arg_name="query")
@api.output(ImportOut, status_code=202, description="It will be done; `Location` is its URL.")
def begin(query: ImportQuery) -> Any:
    """Import a CSV file."""
    request.max_content_length = current_app.config["UPLOAD_LIMIT"]
    job = start(owner(), request.stream, query.filename)
    return _shown(job), 202, {"Location": url_for("imports_api.read", import_id=job.id)}


@api.get("/imports/<int:import_id>")
@api.doc(security=SECURITY, responses=answers(_404=_NO_IMPORT))
@api.output(ImportOut)
def read(import_id: int) -> ImportOut:
    """Read how far an import is."""
    return _shown(store.find(owner(), import_id) or abort(404, _NO_IMPORT))


def _shown(job: ImportJob) -> ImportOut:
    return ImportOut(
        id=job.id,
        filename=job.filename,
        stage=stage_of(job),
        lines_done=job.progress,
        lines=job.total,
        added=job.added,
        known=job.known,
        refused=job.refused,
        refused_rows=[RefusedRowOut.model_validate(row) for row in store.refused_rows(job.id)],
        error=job.error or None,
        created=job.created,
        finished=job.finished,
    )
