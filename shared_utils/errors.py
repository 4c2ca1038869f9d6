"""Error handlers for an app: problem JSON for programs, pages for people.

errors.init_app(app)                          # the small page of shared_utils.problems
errors.init_app(app, template="error.html")   # the app's own page; gets `error`, `request_id`
"""

from __future__ import annotations

from flask import Flask, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from shared_utils.logging import app_name, request_id
from shared_utils.problems import prefers_html, problem


def init_app(app: Flask, *, template: str | None = None) -> None:
    """Answer every HTTP error of ``app`` as the client prefers it.

    An exception that nothing catches is logged by Flask and answered as 500; in debug it reaches
    the debugger as before.

    Args:
        template: page for clients that prefer HTML; rendered with ``error`` (the HTTPException)
            and ``request_id``.
    """

    def answer(error: HTTPException) -> Response:
        if error.response is not None:
            return error.get_response()  # abort(response), as it is
        code = error.code or 500
        if code < 400:
            return error.get_response()  # a redirect that the router raised
        kept = [
            (name, value)
            for name, value in error.get_headers()
            if name.lower() not in ("content-type", "content-length")
        ]
        accept = request.headers.get("Accept")
        if template and prefers_html(accept):
            page = render_template(template, error=error, request_id=request_id.get())
            response = Response(page, code, kept, content_type="text/html; charset=utf-8")
            response.vary.add("Accept")
            response.headers.setdefault("Cache-Control", "no-store")
            return response
        return problem(
            code,
            error.description or error.name,
            accept=accept,
            app=app_name.get() or app.name,
            request_id=request_id.get() or None,
            headers=kept,
        )

    app.register_error_handler(HTTPException, answer)
