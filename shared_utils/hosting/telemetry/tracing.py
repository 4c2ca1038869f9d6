"""Whether this process traces its requests: OpenTelemetry's own variables say so.

Nothing of OpenTelemetry is imported unless they do. What it starts does not outlive a fork, so each
worker begins for itself; where nobody says that a process serves, its first request does. Whatever
is wrong is one line in the log, and requests are answered without being traced.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
from contextvars import Context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from opentelemetry.trace import Tracer

    from shared_utils.hosting.telemetry.record import Record
    from shared_utils.hosting.telemetry.spans import Spans

logger = logging.getLogger(__name__)

SWITCHES = (
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_CONFIG_FILE",
)
"""Any of these variables switches tracing on; of the last one, that it is not read is said."""

FLUSH_WITHIN = 2.0
"""Seconds that the end of a worker waits until what is still to be sent has been."""

_lock = threading.Lock()
_begun_in = 0
"""The process that has begun; it may have forked since."""
_spans: Spans | None = None


def begin() -> None:
    """Trace the requests of this process from now on, where its environment says so."""
    global _begun_in, _spans
    with _lock:
        if _begun_in != os.getpid():
            # In no context: what is logged later is of no request, not of the one that comes first.
            _spans = Context().run(_set_up)
            _begun_in = os.getpid()


def end() -> None:
    """Send what is still to be sent, for :data:`FLUSH_WITHIN` seconds at most.

    For a worker that ends; in other processes OpenTelemetry sees to that itself.
    """
    global _spans
    if _spans is None or _begun_in != os.getpid():
        return
    shut_down, _spans = _spans.provider.shutdown, None
    atexit.unregister(shut_down)  # it would wait for 30 s
    flushing = threading.Thread(target=shut_down, name="rowhouse-flush-traces", daemon=True)
    with contextlib.suppress(RuntimeError):  # the machine has no thread left
        flushing.start()
        flushing.join(FLUSH_WITHIN)


def tracer() -> Tracer | None:
    """Return what begins spans of the host; None where this process does not trace."""
    if not _begun_in:
        begin()
    return _spans.tracer if _spans is not None else None


def enter(record: Record, environ: WSGIEnvironment) -> None:
    """Begin the span of a request."""
    if not _begun_in:
        begin()
    if _spans is not None:
        _spans.enter(record, environ)


def switch() -> str:
    """Return the variable that switches tracing on; empty where it is off."""
    exporters = os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    is_disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if is_disabled or exporters == "none":
        return ""
    return next((name for name in SWITCHES if os.environ.get(name, "").strip()), "")


def _set_up() -> Spans | None:
    name = switch()
    if not name:
        return None
    try:
        from shared_utils.hosting.telemetry import exporting

        return exporting.set_up()
    except ModuleNotFoundError as error:
        logger.error(
            '%s is set, but requests are not traced: %s; write: pip install "rowhouse[otel]"',
            name,
            error,
        )
    except Exception as error:
        # What is wrong with a variable is a ValueError that says so.
        trace = None if isinstance(error, ValueError) else error
        logger.error("%s is set, but requests are not traced: %s", name, error, exc_info=trace)
    return None
