"""What is known of one request."""

from __future__ import annotations

import re
from contextvars import ContextVar
from threading import get_ident
from time import monotonic, time
from typing import Protocol
from urllib.parse import quote

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
"""Methods that HTTP knows; clients may make up others without end."""

MOST_SAID = 300
"""Characters of an error that are kept with a record, secrets masked; its log line has all."""

_PLAIN = re.compile(r"[A-Za-z0-9/_.~-]*")


def percent_encoded(path: str) -> str:
    """Return a path, which WSGI spells as latin-1, as URLs and log lines have it."""
    return path if _PLAIN.fullmatch(path) else quote(path.encode("latin-1", "replace"))


class Span(Protocol):
    """The span of a request that is traced."""

    def match(self, record: Record) -> None:
        """Take down the route of the request."""

    def leave(self, record: Record) -> None:
        """End it with the request."""


class Record:
    """One request.

    Attributes:
        request_id: its id.
        app: name of the mount that it is for; empty: the host itself.
        client: address of the client, as proxies in front that are believed have it.
        method: of HTTP.
        raw_path: with the prefix, without a query, as WSGI spells it.
        began: ``time.monotonic()`` when its head had come.
        started_at: ``time.time()`` of that.
        thread: ident of the thread that it is answered in.
        status: of HTTP; 0 until it is known.
        duration: seconds since ``began``; set right before the last byte and again at the end.
        waited: seconds of these until a thread had read its head, without a slot, or until its app
            was built.
        cpu: seconds of CPU time of its thread, at the end.
        sent: bytes of the body that the server has taken.
        failure: in short what the app has let out, such as ``ValueError: ...``; else empty.
        shed: why it was refused, ``threads`` or ``queue_timeout``; empty where it was not.
        unserved: its app is closed or not built, and the host has answered for it.
        trace_id: of the trace that it is a part of, 32 hexadecimal digits; else empty.
        parent_id: of the span that it is a part of, 16 digits.
        route: the pattern that its path has matched, with the prefix, where tracing is on.
        span: its span while it is traced; None before, after, and where tracing is off.
    """

    # Of the class, because making a record is a part of what each request costs.
    app = failure = shed = trace_id = parent_id = route = ""
    status = sent = 0
    duration = waited = cpu = 0.0
    unserved = False
    span: Span | None = None

    def __init__(
        self,
        request_id: str = "",
        app: str = "",
        client: str = "",
        method: str = "",
        raw_path: str = "",
        came_at: float | None = None,
    ) -> None:
        self.request_id, self.client = request_id, client
        self.method, self.raw_path = method, raw_path
        if app:
            self.app = app
        self.began, self.started_at, self.thread = monotonic(), time(), get_ident()
        if came_at is not None:
            self.waited = self.began - came_at
            self.began = came_at
            self.started_at -= self.waited

    @property
    def ended_at(self) -> float:
        """``time.time()`` at its end."""
        return self.started_at + self.duration

    @property
    def path(self) -> str:
        """``raw_path``, percent-encoded."""
        return percent_encoded(self.raw_path)


current: ContextVar[Record] = ContextVar("record", default=Record())  # noqa: B039
"""The request that is being answered; outside of one, a record that nobody looks at."""
