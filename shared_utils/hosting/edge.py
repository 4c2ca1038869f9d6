"""The outermost layer: every request gets an id and a record, every response its safe headers."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from shared_utils.hosting.telemetry import trace_context
from shared_utils.hosting.telemetry.answer import Answer
from shared_utils.hosting.telemetry.record import Record, current
from shared_utils.hosting.telemetry.recorder import Recorder
from shared_utils.logging import app_name, request_id, trace_parent

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")


class Edge:
    """Set the context that log lines carry, and the headers that every response has.

    An incoming ``X-Request-ID`` is kept where it is well-formed (8 to 64 letters, digits, ``.``,
    ``_`` and ``-``); otherwise a new one is made. It is passed on as ``HTTP_X_REQUEST_ID``. Safe
    headers are added where the app set none of that name.

    Args:
        app: the application inside.
        name: the app that log lines name until a mount is found.
        recorder: is told of every request; default: one that nobody listens to.
    """

    def __init__(
        self, app: WSGIApplication, *, name: str = "", recorder: Recorder | None = None
    ) -> None:
        self._app = app
        self._name = name
        self.recorder = recorder or Recorder()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        given = environ.get("HTTP_X_REQUEST_ID")
        if given is None or not _WELL_FORMED.fullmatch(given):
            given = environ["HTTP_X_REQUEST_ID"] = f"{random.getrandbits(64):016x}"
        record = Record(
            given,
            self._name,
            environ.get("REMOTE_ADDR", ""),
            environ.get("REQUEST_METHOD", ""),
            environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""),
            getattr(environ.get("gunicorn.socket"), "came_at", None),
        )
        # On every request, or the thread's next one would be logged as this one.
        request_id.set(given)
        app_name.set(self._name)
        current.set(record)
        # What most requests do not need is not called: each call is a part of what they all cost.
        if "HTTP_UPGRADE" in environ and environ["HTTP_UPGRADE"].lower() == "websocket":
            record.status = 101  # who takes the connection over does not say so
        if "HTTP_TRACEPARENT" in environ or trace_parent.get():  # its own, or the last request's
            trace_context.accept(environ, record)
        if self.recorder.entered:
            self.recorder.enter(record, environ)
        answer = Answer(self.recorder, record, start_response)
        try:
            response = self._app(environ, answer.start)
        except BaseException:
            answer.finish()
            raise
        return answer.of(response, environ)
