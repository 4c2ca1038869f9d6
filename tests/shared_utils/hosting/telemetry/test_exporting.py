"""Where spans go, by OpenTelemetry's variables; the real way there is in tests/serving."""

from __future__ import annotations

import logging
import os
from importlib.metadata import EntryPoints

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import ConsoleSpanExporter

from shared_utils.hosting.telemetry import exporting


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("said", "kinds"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, [OTLPSpanExporter]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://[::1]:1/x"}, [OTLPSpanExporter]),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, [OTLPSpanExporter]),
        ({"OTEL_TRACES_EXPORTER": "console"}, [ConsoleSpanExporter]),
        ({"OTEL_TRACES_EXPORTER": " otlp, console "}, [OTLPSpanExporter, ConsoleSpanExporter]),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            [OTLPSpanExporter],
        ),
    ],
)
def test_exporters(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, str], kinds: list[type]
) -> None:
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert [type(exporter) for exporter in exporting._exporters()] == kinds


URL = "write a URL such as http://127.0.0.1:4318"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            {"OTEL_CONFIG_FILE": "otel.yaml"},
            "OTEL_CONFIG_FILE is not read here; write OTEL_EXPORTER_OTLP_ENDPOINT=...",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
            f"OTEL_EXPORTER_OTLP_ENDPOINT: found 'collector:4318'; {URL}",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "ann:secret@collector:4318"},
            f"OTEL_EXPORTER_OTLP_ENDPOINT: found 'collector:4318'; {URL}",
        ),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://[::1"},
            f"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: found 'http://[::1'; {URL}",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:port"},
            f"OTEL_EXPORTER_OTLP_ENDPOINT: found 'http://x:port'; {URL}",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "otpl"},
            "OTEL_TRACES_EXPORTER: found 'otpl', of which no exporter is installed; "
            "write console or otlp or otlp_proto_http, or install it",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: found 'http/json', of which no exporter is "
            "installed; write http/protobuf, or install it",
        ),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL: found 'grpc', of which no exporter is installed; "
            "write http/protobuf, or install it",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_BSP_MAX_QUEUE_SIZE": "-1"},
            "max_queue_size must be a positive integer.",
        ),
    ],
)
def test_mistakes(monkeypatch: pytest.MonkeyPatch, said: dict[str, str], message: str) -> None:
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError) as caught:
        exporting.set_up()
    assert str(caught.value) == message


def test_the_exporter_of_the_extra_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "entry_points", lambda **_: EntryPoints())
    with pytest.raises(ModuleNotFoundError, match="opentelemetry-exporter-otlp-proto-http is not"):
        exporting.set_up()


def test_a_collector_that_is_away_is_told_of_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(exporting, "monotonic", lambda: now)
    seldom = exporting.Seldom()

    def passes(message: str) -> bool:
        return seldom.filter(logging.makeLogRecord({"msg": message}))

    assert [passes("it is away"), passes("it is away"), passes("it is full")] == [True, False, True]
    now += exporting.COMPLAIN_EVERY
    assert passes("it is away")
