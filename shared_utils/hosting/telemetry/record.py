"""What is known of one request."""

from __future__ import annotations

import re
from contextvars import ContextVar
from threading import get_ident
from time import monotonic, time
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

if TYPE_CHECKING:
    from shared_utils.hosting.known_headers import Known

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
"""Methods that HTTP knows; clients may make up others without end."""

MOST_SAID = 300
"""Characters of an error that are kept with a record, secrets masked; its log line has all."""

is_unusual = re.compile(r"[^A-Za-z0-9/_.~-]").search
"""Finds in a path what URLs have in another form."""


def percent_encoded(path: str) -> str:
    """Return a path, which WSGI spells as latin-1, as URLs and log lines have it."""
    return quote(path.encode("latin-1", "replace")) if is_unusual(path) else path


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
        parked: seconds of these without a slot, or until its app was built.
        cpu: seconds of CPU time of its thread, at the end.
        cpu_began: what the CPU clock of the thread said at its beginning.
        charged: seconds of CPU time that its app was charged with while it ran.
        sent: bytes of the body that the server has taken.
        failure: in short what the app has let out, such as ``ValueError: ...``; else empty.
        shed: why it was refused, ``threads`` or ``queue_timeout``; empty where it was not.
        unserved: its app is closed or not built, and the host has answered for it.
        trace_id: of the trace that it is a part of, 32 hexadecimal digits; else empty.
        parent_id: of the span that it is a part of, 16 digits.
        route: the pattern that its path has matched, with the prefix, where tracing is on.
        known: what is known of the headers that its app gave; None where that is nothing.
        to_send: what is known of those and the host's together, the request's id last; likewise.
        span: its span while it is traced; None before, after, and where tracing is off.
    """

    # Of the class, because making a record is a part of what each request costs; but not what is
    # looked at in each, since to find that in the class takes longer than to set it.
    app = parent_id = route = ""
    status = 0
    known: Known | None = None
    to_send: Known | None = None
    duration = cpu = cpu_began = 0.0

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
        self.shed = self.failure = self.trace_id = ""
        self.unserved, self.sent = False, 0
        self.parked = self.charged = 0.0
        self.span: Span | None = None
        if app:
            self.app = app
        now = monotonic()
        self.began = began = now if came_at is None else came_at
        self.waited = waited = now - began
        self.started_at, self.thread = time() - waited, get_ident()

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
