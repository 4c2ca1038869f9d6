"""Whether a process traces its requests, and that it answers them whatever is wrong."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace import TracerProvider

from shared_utils.hosting.telemetry import exporting, tracing
from shared_utils.hosting.telemetry.record import Record
from shared_utils.hosting.telemetry.spans import Spans

if TYPE_CHECKING:
    from collections.abc import Callable

    SetUp = Callable[[Callable[[], object]], "Provider"]

ENVIRON = {"wsgi.url_scheme": "http"}


@pytest.fixture(autouse=True)
def at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a process that has not begun, in an environment that says nothing."""
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(tracing, "_begun_in", 0)
    monkeypatch.setattr(tracing, "_spans", None)


@pytest.mark.parametrize(
    ("said", "switch"),
    [
        ({}, ""),
        ({"OTEL_SERVICE_NAME": "shop"}, ""),
        ({"OTEL_TRACES_EXPORTER": ""}, ""),
        ({"OTEL_TRACES_EXPORTER": "console"}, "OTEL_TRACES_EXPORTER"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"},
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        ),
        ({"OTEL_CONFIG_FILE": "otel.yaml"}, "OTEL_CONFIG_FILE"),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://x"}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "None"}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}, ""),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "false"}, "OTEL_TRACES_EXPORTER"),
    ],
)
def test_which_variable_switches_it_on(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, str], switch: str
) -> None:
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert tracing.switch() == switch


def test_without_the_extra(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.delitem(sys.modules, exporting.__name__)
    monkeypatch.delattr("shared_utils.hosting.telemetry.exporting")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    record = Record()
    tracing.enter(record, ENVIRON)
    tracing.enter(record, ENVIRON)
    [line] = caplog.messages
    assert line.startswith("OTEL_TRACES_EXPORTER is set, but requests are not traced: ")
    assert line.endswith('; write: pip install "rowhouse[otel]"')
    assert record.trace_id == ""


@pytest.mark.parametrize("error", [ValueError("PORT: found x"), RuntimeError("what")])
def test_what_is_wrong_is_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fail() -> Spans:
        raise error

    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setattr(exporting, "set_up", fail)
    tracing.begin()
    [line] = caplog.records
    assert line.getMessage() == f"OTEL_TRACES_EXPORTER is set, but requests are not traced: {error}"
    assert line.levelno == logging.ERROR
    assert bool(line.exc_info) == isinstance(error, RuntimeError)


class Provider(TracerProvider):
    """One whose collector is not there, or is."""

    def __init__(self, wait: Callable[[], object]) -> None:
        super().__init__(shutdown_on_exit=False)
        self.wait, self.shut_downs = wait, 0

    def shutdown(self) -> None:
        self.shut_downs += 1
        self.wait()


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch) -> SetUp:
    def made(wait: Callable[[], object]) -> Provider:
        provider = Provider(wait)
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
        monkeypatch.setattr(exporting, "set_up", lambda: Spans(provider))
        return provider

    return made


def test_the_first_request_begins_once_for_the_process(set_up: SetUp) -> None:
    set_up(lambda: None)
    records = [Record(), Record()]
    for record in records:
        tracing.enter(record, ENVIRON)
        assert record.span is not None
        record.span.leave(record)
    assert all(record.trace_id for record in records)


def test_the_end_sends_what_is_left_once(set_up: SetUp) -> None:
    provider = set_up(lambda: None)
    tracing.begin()
    tracing.end()
    tracing.end()
    assert provider.shut_downs == 1
    record = Record()
    tracing.enter(record, ENVIRON)
    assert record.trace_id == ""


def test_the_end_does_not_wait_for_a_collector(
    set_up: SetUp,
    monkeypatch: pytest.MonkeyPatch,
    eventually: Callable[[Callable[[], bool]], None],
) -> None:
    monkeypatch.setattr(tracing, "FLUSH_WITHIN", 0.01)
    there = threading.Event()
    provider = set_up(there.wait)
    tracing.begin()
    tracing.end()  # else this test would not end
    eventually(lambda: provider.shut_downs == 1)
    there.set()


def test_a_child_sends_nothing_of_its_parents(
    set_up: SetUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = set_up(lambda: None)
    tracing.begin()
    monkeypatch.setattr(tracing, "_begun_in", os.getppid())
    tracing.end()
    assert provider.shut_downs == 0
    tracing.begin()
    tracing.end()
    assert provider.shut_downs == 1
