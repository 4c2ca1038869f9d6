"""The outermost layer: every request gets an id, every response its safe headers."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from shared_utils.logging import app_name, request_id

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")

SAFE_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ("X-Frame-Options", "SAMEORIGIN"),
)
_ADDED = {"x-request-id", *(name.lower() for name, _ in SAFE_HEADERS)}


class Edge:
    """Set the context that log lines carry, and the headers that every response has.

    An incoming ``X-Request-ID`` is kept where it is well-formed (8 to 64 letters, digits, ``.``,
    ``_`` and ``-``); otherwise a new one is made. It is passed on as ``HTTP_X_REQUEST_ID``. Safe
    headers are added where the app set none of that name.

    Args:
        app: the application inside.
        name: the app that log lines name until a mount is found.
    """

    def __init__(self, app: WSGIApplication, *, name: str = "") -> None:
        self._app = app
        self._name = name

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        given = environ.get("HTTP_X_REQUEST_ID")
        if given is None or not _WELL_FORMED.fullmatch(given):
            given = environ["HTTP_X_REQUEST_ID"] = f"{random.getrandbits(64):016x}"
        # On every request, or the thread's next one would be logged as this one.
        request_id.set(given)
        app_name.set(self._name)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            present = {name.lower() for name, _ in headers}
            added = [("X-Request-ID", given), *SAFE_HEADERS]
            if not _ADDED.isdisjoint(present):
                added = [header for header in added if header[0].lower() not in present]
            return start_response(status, [*headers, *added], exc_info)

        return self._app(environ, start)
