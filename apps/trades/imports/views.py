"""Pages of imports."""

from __future__ import annotations

from typing import Any

from flask import abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from apps.trades.imports import store
from apps.trades.imports.constants import COLUMNS
from apps.trades.imports.starting import stage_of, start
from apps.trades.owners import owner

SHOWN = 20
"""Imports that the page lists."""


def take_large_bodies() -> None:
    """Let a file be larger than other forms; for ``before_request``, before the body is read."""
    request.max_content_length = current_app.config["UPLOAD_LIMIT"]


def index() -> str:
    """Show a form for a file, and the last imports."""
    return _page()


def begin() -> ResponseReturnValue:
    """Begin an import of the file that the form brings."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return _page(error="Choose a file."), 422
    job = start(owner(), file.stream, file.filename)
    return redirect(url_for("imports.show", import_id=job.id), 303)


def show(import_id: int) -> str:
    """Show how far an import is."""
    return render_template("imports/show.html", **_found(import_id))


def progress(import_id: int) -> str:
    """Answer that part of the page which changes."""
    return render_template("imports/progress.html", **_found(import_id))


def _page(error: str = "") -> str:
    imports = [(job, stage_of(job)) for job in store.newest(owner(), SHOWN)]
    limit = current_app.config["UPLOAD_LIMIT"] // 2**20
    return render_template(
        "imports/index.html", imports=imports, columns=COLUMNS, limit=limit, error=error
    )


def _found(import_id: int) -> dict[str, Any]:
    job = store.find(owner(), import_id) or abort(404, "You have no such import.")
    return {"job": job, "stage": stage_of(job), "refused_rows": store.refused_rows(job.id)}
