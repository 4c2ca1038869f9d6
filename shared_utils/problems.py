"""Problem responses (RFC 9457): JSON for programs, a small page for people."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import escape
from werkzeug.datastructures import Headers, MIMEAccept
from werkzeug.http import HTTP_STATUS_CODES, parse_accept_header
from werkzeug.wrappers import Response

JSON_TYPE = "application/problem+json"

_OFFERED = [JSON_TYPE, "application/json", "text/html", "application/xhtml+xml"]

_STYLE = """
  :root { --paper: #faf8f5; --ink: #23201d; --soft: #665e56; --brick: #a63d17 }
  @media (prefers-color-scheme: dark) {
    :root { --paper: #191715; --ink: #ece7e1; --soft: #aea498; --brick: #f2a07b }
  }
  body { margin: 0; min-height: 100vh; display: grid; align-content: center; box-sizing: border-box;
         padding: 1.5rem; background: var(--paper); color: var(--ink);
         font: 1.05rem/1.6 system-ui, sans-serif }
  main { width: 100%; max-width: 34rem; margin: 0 auto; box-sizing: border-box;
         border-left: .3rem solid var(--brick); padding: .2rem 0 .2rem 1.5rem }
  h1 { margin: 0 0 .5rem; font-size: 1.6rem; line-height: 1.25 }
  p { margin: 0 0 .75rem; overflow-wrap: anywhere }
  a { color: var(--brick); text-underline-offset: .2em }
  a:focus-visible { outline: 3px solid var(--brick); outline-offset: 2px; border-radius: 3px }
  small { color: var(--soft); overflow-wrap: anywhere }
"""

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{status} {title}</title>
<style>{style}</style>
<main>
  <h1>{title}</h1>
  <p>{detail}</p>{ways}
  <small>{small}</small>
</main>
</html>
"""

_MAY_COME_BACK = (429, 502, 503, 504)

_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    f"frame-ancestors 'self'; style-src 'sha256-{_HASH}'"
)
"""The page has nothing but its own style, which its hash names (CSP Level 3, "hash-source").

A stylesheet by link would be one more request to a host that may be in trouble.
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
    portal: str | None = None,
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
        portal: URL of the page that shows all apps, for the page to lead to.
        members: further members of the JSON object.
    """
    title = HTTP_STATUS_CODES.get(status, "Error")
    if prefers_html(accept):
        small = " · ".join(filter(None, [f"{status}", app, request_id]))
        body = _PAGE.format(
            status=status,
            title=title,
            style=_STYLE,
            detail=escape(detail),
            ways=_ways_on(status, portal),
            small=escape(small),
        )
        content_type = "text/html; charset=utf-8"
    else:
        content: dict[str, Any] = {"status": status, "title": title, "detail": detail}
        content |= {"app": app, "request_id": request_id} | members
        body = json.dumps({key: value for key, value in content.items() if value is not None})
        content_type = JSON_TYPE
    response = Response(body, status, Headers(headers), content_type=content_type)
    response.vary.add("Accept")
    response.headers.setdefault("Cache-Control", "no-store")
    if response.mimetype == "text/html":
        # An app that sets its own where none is set leaves it alone.
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    return response


def _ways_on(status: int, portal: str | None) -> str:
    """Return a line of links that lead on from a page; nothing where none does."""
    links = ['<a href="">Try again</a>'] if status in _MAY_COME_BACK else []
    if portal is not None:
        links.append(f'<a href="{escape(portal)}">All apps</a>')
    return f"\n  <p>{' · '.join(links)}</p>" if links else ""
