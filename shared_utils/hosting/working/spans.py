"""The span of each task: a part of the trace of the request that has sent it.

Imported only where requests are traced (:mod:`shared_utils.hosting.telemetry.tracing`).
"""

from __future__ import annotations

from contextvars import ContextVar

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared_utils.hosting.settings.secrets import masked_text
from shared_utils.hosting.telemetry.record import MOST_SAID
from shared_utils.hosting.telemetry.spans import sound, trace_parent_of
from shared_utils.hosting.telling import told
from shared_utils.logging import app_name, request_id, trace_parent

_running: ContextVar[trace.Span | None] = ContextVar("task_span", default=None)


def begin(tracer: trace.Tracer, name: str) -> None:
    """Begin the span of the task that this thread is about to run."""
    carrier = {"traceparent": trace_parent.get()}  # of the message, whatever clients are to send
    parent = TraceContextTextMapPropagator().extract(carrier, Context())
    attributes = {"rowhouse.app": app_name.get()}
    if request_id.get():
        attributes["rowhouse.request_id"] = request_id.get()
    span = tracer.start_span(f"run {name}", parent, SpanKind.CONSUMER, attributes)
    contexts.attach(trace.set_span_in_context(span, parent))
    trace_parent.set(trace_parent_of(span))
    _running.set(span)


def end(error: BaseException | None) -> None:
    """End it.

    Args:
        error: what the task has raised.
    """
    span = _running.get()
    if span is None:
        return
    _running.set(None)
    contexts.attach(Context())
    if span.is_recording():
        if error is not None:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(StatusCode.ERROR, sound(masked_text(told(error)[0], MOST_SAID)))
        span.end()
