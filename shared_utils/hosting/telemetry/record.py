"""What is known of one request, and who is told of it.

    recorder.entered     before the app is called, with its environ
    recorder.answered    right before the last byte is handed to the server
    recorder.finished    when the response is closed, or was cut

A client that has its answer finds it counted by whatever counts in ``answered``, and a process that
is killed has counted every answer that it gave; what goes on until the client has taken all of it
(bytes, CPU time) is known in ``finished``.
"""

from __future__ import annotations

import contextlib
import logging
import re
import traceback
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from threading import get_ident
from time import monotonic, time
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from shared_utils.hosting.telling import say_aside

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger(__name__)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
"""Methods that HTTP knows; clients may make up others without end."""

MOST_SAID = 300
"""Characters of an error that are kept with a record, secrets masked; its log line has all."""

COMPLAIN_EVERY = 60.0
"""Seconds between two log lines about listeners that fail."""

_PLAIN = re.compile(r"[A-Za-z0-9/_.~-]*")


def path_of(environ: WSGIEnvironment) -> str:
    """Return the path of a request, with its prefix, percent-encoded."""
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
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
        path: with the prefix, percent-encoded, without a query.
        began: ``time.monotonic()`` when its head had come.
        started_at: ``time.time()`` when a thread began with it.
        thread: ident of that thread.
        status: of HTTP; 0 until it is known.
        duration: seconds since ``began``; set right before the last byte and again at the end.
        waited: seconds of these without a thread, or without a slot, or until its app was built.
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

    __slots__ = (
        "app",
        "began",
        "client",
        "cpu",
        "duration",
        "failure",
        "method",
        "parent_id",
        "path",
        "request_id",
        "route",
        "sent",
        "shed",
        "span",
        "started_at",
        "status",
        "thread",
        "trace_id",
        "unserved",
        "waited",
    )

    def __init__(
        self,
        request_id: str = "",
        app: str = "",
        client: str = "",
        method: str = "",
        path: str = "",
    ) -> None:
        self.request_id, self.app, self.client = request_id, app, client
        self.method, self.path = method, path
        self.began, self.started_at, self.thread = monotonic(), time(), get_ident()
        self.status = self.sent = 0
        self.duration = self.waited = self.cpu = 0.0
        self.unserved = False
        self.failure = self.shed = self.trace_id = self.parent_id = self.route = ""
        self.span: Span | None = None


current: ContextVar[Record] = ContextVar("record", default=Record())  # noqa: B039
"""The request that is being answered; outside of one, a record that nobody looks at."""

Listener = Callable[[Record], object]
Entered = Callable[[Record, "WSGIEnvironment"], object]


class Recorder:
    """The requests of one process, and who is told of them. A listener that raises does no harm.

    Attributes:
        running: requests that are being answered now, by a number that means nothing.
        entered: called once for each request, before the app is.
        answered: called once for each request, in its thread: right before its last byte is handed
            to the server, else at its end.
        finished: called once for each request at its end, whatever has ended it.
        abandoned: requests whose responses were never closed, and whether they were answered; the
            next request finishes them.
    """

    def __init__(self) -> None:
        self.entered: list[Entered] = []
        self.answered: list[Listener] = []
        self.finished: list[Listener] = []
        self._complained_at = 0.0
        self.reset()

    def reset(self) -> None:
        """Begin anew: in a forked process nothing runs."""
        self.running: dict[int, Record] = {}
        self.abandoned: deque[tuple[Record, bool]] = deque()

    def enter(self, record: Record, environ: WSGIEnvironment) -> None:
        """Tell that a request is about to be answered."""
        for listener in self.entered:
            try:
                listener(record, environ)
            except Exception:
                self._complain()

    def begin(self, record: Record) -> None:
        """Take a request as running."""
        self.running[id(record)] = record
        if self.abandoned:
            with contextlib.suppress(IndexError):  # another request has taken the last one
                while True:
                    abandoned, is_answered = self.abandoned.pop()
                    if not is_answered:
                        self.answer(abandoned)
                    self.finish(abandoned)

    def answer(self, record: Record) -> None:
        """Tell that a request is answered but for its last bytes."""
        for listener in self.answered:
            try:
                listener(record)
            except Exception:
                self._complain()

    def finish(self, record: Record) -> None:
        """Tell that a request has ended."""
        self.running.pop(id(record), None)
        for listener in self.finished:
            try:
                listener(record)
            except Exception:
                self._complain()

    def _complain(self) -> None:
        now = monotonic()
        if now - self._complained_at > COMPLAIN_EVERY:
            self._complained_at = now
            say_aside(
                logger, logging.ERROR, "a request was not recorded:\n%s", traceback.format_exc()
            )
