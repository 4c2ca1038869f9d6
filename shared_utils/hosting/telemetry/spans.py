"""The span of each request, by OpenTelemetry's conventions for HTTP servers.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/

It is the current span while the app has the word, so that spans which the app makes are its
children. Neither query nor headers are told, but for the name of the client's program.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask, request, request_started
from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from shared_utils.hosting.telemetry.record import METHODS, Record, current
from shared_utils.logging import trace_parent

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.util.types import AttributeValue

OTHER = "_OTHER"
"""What the conventions have for a method or an error that is of no known kind."""

_NANO = 1_000_000_000


class Spans:
    """Begins the span of each request.

    Args:
        provider: makes spans and sends them.

    Attributes:
        provider: the same.
        tracer: the host's own.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self.provider = provider
        self.tracer = provider.get_tracer("rowhouse")
        request_started.connect(_matched)

    def enter(self, record: Record, environ: WSGIEnvironment) -> None:
        """Begin the span of a request, as a part of the trace that its headers tell of."""
        parent = propagate.extract(environ, Context(), _HEADERS)
        method = record.method
        attributes: dict[str, AttributeValue] = {
            "http.request.method": method,
            "url.path": record.path,
            "url.scheme": environ["wsgi.url_scheme"],
            "rowhouse.request_id": record.request_id,
        }
        if method not in METHODS:  # clients may make up others without end
            attributes["http.request.method"] = OTHER
            attributes["http.request.method_original"] = method
        if agent := environ.get("HTTP_USER_AGENT"):
            attributes["user_agent.original"] = agent
        protocol, _, version = environ.get("SERVER_PROTOCOL", "").partition("/")
        if protocol == "HTTP" and version:
            attributes["network.protocol.version"] = version
        span = self.tracer.start_span(
            _named(method), parent, SpanKind.SERVER, attributes, start_time=_start_of(record)
        )
        context = trace.set_span_in_context(span, parent)
        contexts.attach(context)
        record.span = RequestSpan(span, context, environ)
        # Log lines, threads and tasks are of this span, whichever headers told of its trace.
        above = trace.get_current_span(parent).get_span_context()
        record.trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        record.parent_id = trace.format_span_id(above.span_id) if above.is_valid else ""
        trace_parent.set(trace_parent_of(span))


class RequestSpan:
    """The span of one request, until that has ended."""

    __slots__ = ("_context", "_environ", "_span")

    def __init__(self, span: trace.Span, context: Context, environ: WSGIEnvironment) -> None:
        self._span, self._context, self._environ = span, context, environ

    def match(self, record: Record) -> None:
        """Take down the route of the request; what the app says of its span later stands."""
        self._span.set_attribute("http.route", record.route)
        self._span.update_name(f"{_named(record.method)} {record.route}")

    def leave(self, record: Record) -> None:
        """Say what has become of the request, and end its span."""
        record.span = None  # it leads to the request's environ, and records of slow ones are kept
        # Else nobody will see it, or the app has ended it.
        if isinstance(self._span, ReadableSpan) and self._span.is_recording():
            self._span.set_attributes(self._told(record))
            if record.failure or record.status >= 500:
                self._span.set_attribute("error.type", _error_of(record))
                if self._span.status.is_unset:  # else the app has said more
                    self._span.set_status(StatusCode.ERROR, sound(record.failure) or None)
            self._span.end(_start_of(record) + int(record.duration * _NANO))
        # Not by a token: one that nobody has closed is ended in another thread.
        if contexts.get_current() is self._context:
            contexts.attach(Context())

    def _told(self, record: Record) -> dict[str, AttributeValue]:
        environ = self._environ  # by now as the proxies in front have it
        told: dict[str, AttributeValue] = {
            "url.path": record.path,
            "url.scheme": environ["wsgi.url_scheme"],
            "rowhouse.waited_ms": round(record.waited * 1e3, 3),
        }
        if record.app:
            told["rowhouse.app"] = record.app
        if record.status:
            told["http.response.status_code"] = record.status
        if record.client:
            told["client.address"] = record.client
        if record.shed:
            told["rowhouse.shed"] = record.shed
        with contextlib.suppress(ValueError):  # the client may have written anything
            host = urlsplit(f"//{environ.get('HTTP_HOST', '')}")
            if host.hostname:
                told["server.address"] = host.hostname
            if host.port:
                told["server.port"] = host.port
        return told


class _Headers(Getter["WSGIEnvironment"]):
    """Headers of a request, as propagators ask for them."""

    def get(self, carrier: WSGIEnvironment, key: str) -> list[str] | None:
        value = carrier.get(f"HTTP_{key.upper().replace('-', '_')}")
        return None if value is None else [value]

    def keys(self, carrier: WSGIEnvironment) -> list[str]:
        return [key[5:].lower().replace("_", "-") for key in carrier if key.startswith("HTTP_")]


_HEADERS = _Headers()


def trace_parent_of(span: trace.Span) -> str:
    """Return the W3C ``traceparent`` of what is a part of a span."""
    of = span.get_span_context()
    trace_id, span_id = trace.format_trace_id(of.trace_id), trace.format_span_id(of.span_id)
    return f"00-{trace_id}-{span_id}-{of.trace_flags:02x}"


def sound(text: str) -> str:
    """Return text that can be sent: one lone surrogate would cost all of its batch."""
    return text.encode("utf-8", "replace").decode()


def _matched(sender: Flask, **_: object) -> None:
    """Tell the route, once a Flask app has found it and before any code of that app runs.

    The first one counts: an app may call others, as a test client does.
    """
    record = current.get()
    if record.span is None or record.route:
        return
    with contextlib.suppress(Exception):  # the app may have a request class of its own making
        rule = request.url_rule
        if rule is not None:
            prefix = request.environ.get("SCRIPT_NAME", "").encode("latin-1").decode()
            record.route = sound(prefix + rule.rule)
            record.span.match(record)


def _named(method: str) -> str:
    return method if method in METHODS else "HTTP"


def _start_of(record: Record) -> int:
    return int(record.started_at * _NANO)


def _error_of(record: Record) -> str:
    kind = record.failure.partition(":")[0]
    if kind.isidentifier():
        return kind
    return str(record.status) if record.status >= 500 else OTHER
