"""Believe the proxies in front, and only what a proxy may say."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug.http import parse_list_header
from werkzeug.middleware.proxy_fix import ProxyFix

from shared_utils.hosting.telemetry.record import current

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

_PREFIX = re.compile(r"(?:/(?!\.\.?(?:/|$))[\w.~!$&'()*+:@=-]+)+", re.ASCII)
_BYTES = re.compile(r"[\x80-\xff]")
_HEADER = "HTTP_X_FORWARDED_PREFIX"


class CheckedProxyFix:
    """Werkzeug's ``ProxyFix``, with a check on ``X-Forwarded-Prefix``.

    The prefix becomes part of every link: ``//evil.example`` would lead to another host. One that
    is not plain path segments is dropped and logged; a trailing slash is taken off.

    Args:
        app: the application inside.
        trusted: number of proxies in front, each of which sets For, Proto, Host and Prefix;
            at least 1.
    """

    def __init__(self, app: WSGIApplication, trusted: int) -> None:
        self._app, self._trusted = app, trusted
        self._fix = ProxyFix(
            self._recorded, x_for=trusted, x_proto=trusted, x_host=trusted, x_prefix=trusted
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass the request on as the proxy has seen it."""
        header = environ.get(_HEADER)
        if header is not None:
            given = parse_list_header(header)
            # Only what a trusted proxy said counts; a client may have written what is before.
            believed = given[-self._trusted] if len(given) >= self._trusted else ""
            believed = believed.removesuffix("/")
            if believed == "" or is_prefix(believed):
                environ[_HEADER] = ",".join([believed] * self._trusted)
            else:
                del environ[_HEADER]
                logger.warning("dropped X-Forwarded-Prefix %r: not a plain path", header[:200])
        return self._fix(environ, start_response)

    def _recorded(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        record = current.get()
        record.client = environ.get("REMOTE_ADDR", "")
        record.raw_path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        return self._app(environ, start_response)


def is_prefix(value: str) -> bool:
    """Say whether ``value`` is plain path segments, as a WSGI environ spells them.

    >>> is_prefix("/tools/rowhouse"), is_prefix("//evil.example"), is_prefix("/a/../b")
    (True, False, False)
    """
    return _PREFIX.fullmatch(_BYTES.sub("x", value)) is not None
