"""Problem responses (RFC 9457): JSON for programs, a small page for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import escape
from werkzeug.datastructures import Headers, MIMEAccept
from werkzeug.http import HTTP_STATUS_CODES, parse_accept_header
from werkzeug.wrappers import Response

JSON_TYPE = "application/problem+json"

_OFFERED = [JSON_TYPE, "application/json", "text/html", "application/xhtml+xml"]

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{status} {title}</title>
<style>
  body {{ margin: 0; min-height: 100vh; display: grid; place-content: center;
         font: 1.05rem/1.6 system-ui, sans-serif; padding: 1.5rem; box-sizing: border-box }}
  main {{ max-width: 34rem; border-left: .3rem solid #c2410c; padding: .2rem 0 .2rem 1.5rem }}
  h1 {{ margin: 0 0 .5rem; font-size: 1.6rem; line-height: 1.25 }}
  p {{ margin: 0 0 .75rem; overflow-wrap: anywhere }}
  small {{ opacity: .75 }}
</style>
<main>
  <h1>{title}</h1>
  <p>{detail}</p>
  <small>{small}</small>
</main>
</html>
"""


def prefers_html(accept: str | None) -> bool:
    """Say whether a client that sent this ``Accept`` would rather see a page than JSON."""
    wanted = parse_accept_header(accept, MIMEAccept)
    best = wanted.best_match(_OFFERED, default=JSON_TYPE)
    return best is not None and "html" in best


def problem(
    status: int,
    detail: str,
    *,
    accept: str | None = None,
    app: str | None = None,
    request_id: str | None = None,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    **members: Any,
) -> Response:
    """Return a response that says what went wrong.

    Args:
        status: HTTP status, 400 to 599.
        detail: a sentence for whoever reads it; never a traceback.
        accept: the client's ``Accept`` header.
        app: name of the mount that it is about, if any.
        request_id: id of the request, to find its log lines by.
        headers: further response headers, such as ``Retry-After``.
        members: further members of the JSON object.
    """
    title = HTTP_STATUS_CODES.get(status, "Error")
    if prefers_html(accept):
        small = " · ".join(filter(None, [f"{status}", app, request_id]))
        body = _PAGE.format(status=status, title=title, detail=escape(detail), small=escape(small))
        content_type = "text/html; charset=utf-8"
    else:
        content: dict[str, Any] = {"status": status, "title": title, "detail": detail}
        content |= {"app": app, "request_id": request_id} | members
        body = json.dumps({key: value for key, value in content.items() if value is not None})
        content_type = JSON_TYPE
    response = Response(body, status, Headers(headers), content_type=content_type)
    response.vary.add("Accept")
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response
