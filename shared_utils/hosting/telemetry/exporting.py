"""Where spans go, as OpenTelemetry's variables have it. Imported only where requests are traced.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import logging
import os
from importlib.metadata import entry_points
from time import monotonic
from urllib.parse import urlsplit

from opentelemetry.sdk.resources import PROCESS_PID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import set_tracer_provider

from shared_utils.hosting.telemetry.spans import Spans

SERVICE = "rowhouse"
"""What ``service.name`` is, where no variable says it."""

PROTOCOLS = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
"""What ``OTEL_EXPORTER_OTLP_PROTOCOL`` may say, and the entry point of its exporter."""

COMPLAIN_EVERY = 60.0
"""Seconds between two log lines of one kind, about a collector that is not there."""

_COMPLAINING = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.sdk._shared_internal",
)


def set_up() -> Spans:
    """Make what sends spans, and have the apps' own spans sent by it as well.

    To be called in the process that is to send them: its threads do not outlive a fork.

    Raises:
        ModuleNotFoundError: the exporter is not installed that the extra brings.
        ValueError: a variable says what cannot be; the message names it.
    """
    exporters = _exporters()
    batches = [BatchSpanProcessor(exporter) for exporter in exporters]
    resource = Resource.create({PROCESS_PID: os.getpid()})  # as on log lines
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: SERVICE}))
    provider = TracerProvider(resource=resource)
    for batch in batches:
        provider.add_span_processor(batch)
    set_tracer_provider(provider)
    for name in _COMPLAINING:
        logging.getLogger(name).addFilter(Seldom())
    return Spans(provider)


class Seldom(logging.Filter):
    """Lets one line of each kind pass in :data:`COMPLAIN_EVERY` seconds.

    A collector may be away for hours, and each worker would say so every few seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a line is to be written."""
        kind, now = str(record.msg), monotonic()
        if now - self._said.get(kind, -COMPLAIN_EVERY) < COMPLAIN_EVERY:
            return False
        self._said[kind] = now
        return True


def _exporters() -> list[SpanExporter]:
    if os.environ.get("OTEL_CONFIG_FILE"):
        raise ValueError("OTEL_CONFIG_FILE is not read here; write OTEL_EXPORTER_OTLP_ENDPOINT=...")
    names = [name.strip() for name in _said("OTEL_TRACES_EXPORTER", default="otlp")[1].split(",")]
    return [_exporter(name) for name in names if name and name != "none"]


def _exporter(name: str) -> SpanExporter:
    wanted, variable, said = name, "OTEL_TRACES_EXPORTER", name
    if name == "otlp":
        variable, said = _said(
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            default="http/protobuf",
        )
        wanted = PROTOCOLS.get(said, said)
    if wanted == "otlp_proto_http":
        _check_endpoint()
    found = entry_points(group="opentelemetry_traces_exporter", name=wanted)
    if not found and wanted == PROTOCOLS["http/protobuf"]:
        raise ModuleNotFoundError("opentelemetry-exporter-otlp-proto-http is not installed")
    if not found:
        known = entry_points(group="opentelemetry_traces_exporter").names
        writable = (
            ["otlp", *known] if wanted == name else [k for k, v in PROTOCOLS.items() if v in known]
        )
        raise ValueError(
            f"{variable}: found {said!r}, of which no exporter is installed; "
            f"write {' or '.join(sorted(writable))}, or install it"
        )
    made = next(iter(found)).load()()
    assert isinstance(made, SpanExporter)
    return made


def _check_endpoint() -> None:
    """Refuse what the exporter would take, and then fail with for each batch."""
    name, said = _said("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    if not said:
        return
    try:
        parts = urlsplit(said)
        is_sound = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        is_sound = False
    if not is_sound:
        shown = said.rpartition("@")[2]  # without a password
        raise ValueError(f"{name}: found {shown!r}; write a URL such as http://127.0.0.1:4318")


def _said(*names: str, default: str = "") -> tuple[str, str]:
    """Return the first of these variables that says something, and what; else the last one."""
    for name in names:
        if said := os.environ.get(name, "").strip():
            return name, said
    return names[-1], default
