"""Spans of real requests, as a collector of the test's own gets them from real workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.running import PATIENCE, Project, Serve, clean_environment, entries, until

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

APP = """
    import logging
    import os
    import sys
    from flask import Flask
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)

        @app.get("/carts/<int:number>")
        def cart(number):
            from opentelemetry import trace
            with trace.get_tracer("shop").start_as_current_span("look up"):
                logging.getLogger(__name__).info("cart %d", number)
            return f"{os.getpid()}"

        @app.get("/stream")
        def stream():
            def chunks():
                from opentelemetry import trace
                yield "a"
                with trace.get_tracer("shop").start_as_current_span("second chunk"):
                    yield "b"
            return chunks()

        @app.get("/fail")
        def fail():
            raise ValueError("what")

        @app.get("/imported")
        def imported():
            return [name for name in sys.modules if name.startswith("opentelemetry")]

        return app
"""


class Collector(ThreadingHTTPServer):
    """An OTLP/HTTP receiver: https://opentelemetry.io/docs/specs/otlp/#otlphttp."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.got: dict[bytes, tuple[dict[str, Any], Span]] = {}
        """Resource and span by the span's id: one that is not confirmed in time comes again."""

    def spans(self) -> list[Span]:
        return [span for _, span in list(self.got.values())]

    def of(self, request_id: str) -> Span | None:
        """Return the span of a request, once it is there."""
        found = [s for s in self.spans() if told(s).get("rowhouse.request_id") == request_id]
        assert len(found) < 2
        return found[0] if found else None

    def await_span(self, request_id: str) -> Span:
        until(lambda: self.of(request_id) is not None, f"the span of {request_id}")
        span = self.of(request_id)
        assert span is not None
        return span

    def child_of(self, span: Span) -> Span:
        def children() -> list[Span]:
            return [s for s in self.spans() if s.parent_span_id == span.span_id]

        until(lambda: bool(children()), f"a child of {span.name}")
        [child] = children()
        return child


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            by = told(resource.resource)
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                self.server.got[span.span_id] = (by, span)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def told(of: Any) -> dict[str, Any]:
    """Return the attributes of a span or a resource."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        serving = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        yield made
        made.shutdown()
        serving.join()


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["", "preload"])
def test_every_worker_sends_spans(
    project: Project, serve: Serve, collector: Collector, options: tuple[str, ...]
) -> None:
    project.app("shop", APP)
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    server = serve(*options, workers=2, environ=environ)
    until(lambda: server.states() == {"shop": "up"}, "it serves")
    asked: dict[str, list[str]] = defaultdict(list)

    def ask() -> bool:
        request_id = f"request-{sum(map(len, asked.values()))}"
        asked[server.get("/shop/carts/7", X_Request_ID=request_id).text].append(request_id)
        return len(asked) == 2

    until(ask, "both workers have answered")
    for pid, request_ids in asked.items():
        for request_id in request_ids:
            span = collector.await_span(request_id)
            assert (span.name, span.kind) == (
                "GET /shop/carts/<int:number>",
                Span.SPAN_KIND_SERVER,
            )
            child = collector.child_of(span)
            assert (child.name, child.trace_id) == ("look up", span.trace_id)
            by, _ = collector.got[span.span_id]
            assert (by["process.pid"], by["service.name"]) == (int(pid), "rowhouse")
            until(lambda r=request_id: len(server.entries(r)) == 2, "it is logged")  # type: ignore[misc]
            traces = {line["trace_id"] for line in server.entries(request_id)}
            assert traces == {span.trace_id.hex()}, "log lines are of the same trace"


def test_what_is_told_of_requests(project: Project, serve: Serve, collector: Collector) -> None:
    project.app("shop", APP)
    environ = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_SERVICE_NAME": "our-apps",
    }
    server = serve(environ=environ)

    traceparent = f"00-{TRACE}-{PARENT}-01"
    server.get("/shop/stream", X_Request_ID="streamed", traceparent=traceparent)
    span = collector.await_span("streamed")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert told(span)["rowhouse.app"] == "shop"
    child = collector.child_of(span)
    assert child.end_time_unix_nano <= span.end_time_unix_nano, "it ends with the last chunk"
    assert {by["service.name"] for by, _ in collector.got.values()} == {"our-apps"}

    assert server.get("/shop/fail", X_Request_ID="has-failed").status == 500
    span = collector.await_span("has-failed")
    assert (span.name, span.status.code) == ("GET /shop/fail", Status.STATUS_CODE_ERROR)
    assert span.status.message == "ValueError: what"
    assert told(span)["error.type"] == "ValueError"
    assert told(span)["http.response.status_code"] == 500

    assert server.get("/nowhere/7", X_Request_ID="not-found").status == 404
    span = collector.await_span("not-found")
    assert (span.name, span.status.code) == ("GET", Status.STATUS_CODE_UNSET)
    assert told(span)["url.path"] == "/nowhere/7"

    assert server.get("/-/live", X_Request_ID="is-alive").status == 200
    assert collector.await_span("is-alive").name == "GET /-/live"


def test_an_app_alone(project: Project, serve: Serve, collector: Collector) -> None:
    module = project.app("shop", APP)
    module.with_name("wsgi.py").write_text("from apps.shop import create_app\napp = create_app()\n")
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    server = serve("apps.shop.wsgi:app", environ=environ)
    server.get("/carts/7", X_Request_ID="it-alone")
    span = collector.await_span("it-alone")
    assert (span.name, told(span)["rowhouse.app"]) == ("GET /carts/<int:number>", "shop")


def test_a_worker_that_ends_sends_what_is_left(
    project: Project, serve: Serve, collector: Collector
) -> None:
    project.app("shop", APP)
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "3600000"}
    server = serve(environ=environ)
    server.get("/shop/carts/7", X_Request_ID="the-last")
    assert collector.spans() == []
    server.stop()
    assert collector.of("the-last") is not None


def test_a_worker_ends_without_a_collector_that_answers(project: Project, serve: Serve) -> None:
    project.app("shop", APP)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "600",
        }
        # Whoever waits for the collector waits longer than this test.
        server = serve("--graceful-timeout=500", environ=environ)
        for number in range(3):
            assert server.get(f"/shop/carts/{number}").status == 200
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
            "OTEL_EXPORTER_OTLP_ENDPOINT: found 'collector:4318'; write a URL",
        ),
        ({"OTEL_TRACES_EXPORTER": "otpl"}, "OTEL_TRACES_EXPORTER: found 'otpl'"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_PROPAGATORS": "b4"}, "Propagator b4 not found"),
    ],
)
def test_a_mistake_is_logged_and_the_host_serves(
    project: Project, serve: Serve, environ: dict[str, str], said: str
) -> None:
    project.app("well")
    server = serve(workers=2, environ=environ)
    assert server.get("/well/").status == 200
    lines = [line for line in server.lines().splitlines() if "requests are not traced" in line]
    assert lines
    assert all(said in line for line in lines)


def test_nothing_is_imported_where_it_is_off(project: Project, serve: Serve) -> None:
    project.app("shop", APP)
    server = serve()
    assert server.get("/shop/imported").json == []


def test_a_collector_that_is_away_is_told_of_in_a_line(project: Project, serve: Serve) -> None:
    project.app("shop", APP)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # it does not listen
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        server = serve(environ={"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "1"})

        def complains() -> bool:
            assert server.get("/shop/carts/7").status == 200
            return "Transient error" in server.lines()

        until(complains, "it is told once")
        lines = [line for line in server.lines().splitlines() if "opentelemetry" in line]
        assert len([line for line in lines if "Transient error" in line]) == 1
        assert not any("Traceback" in line for line in lines)


RINGING = """
    from flask import Flask
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)

        @app.get("/<int:number>")
        def ring(number):
            from apps.shop.tasks import pack
            pack.ring(number)
            return "rung"

        return app
"""
TASKS = """
    from shared_utils.tasks import task

    @task("shop")
    def pack(number):
        from opentelemetry import trace
        with trace.get_tracer("shop").start_as_current_span("wrap"):
            assert number == 7
"""


def test_a_task_is_a_part_of_the_trace_of_its_request(
    project: Project, serve: Serve, collector: Collector
) -> None:
    pytest.importorskip("celery")
    module = project.app("shop", RINGING)
    project.write(module.with_name("tasks.py"), TASKS)
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    server = serve(environ=environ)
    log = project.root / "worker.log"
    with log.open("ab") as written:
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "shared_utils.tasks", "worker"),
                "--concurrency=1",
            ],
            cwd=project.root,
            env=clean_environment() | environ | {"OTEL_BSP_SCHEDULE_DELAY": "3600000"},
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
    try:
        for number in (7, 8):
            server.get(f"/shop/{number}", X_Request_ID=f"request-{number}")
        until(lambda: "AssertionError" in log.read_text(), "both tasks have run")
        worker.terminate()  # the spans of its tasks are sent at its end
        worker.wait(PATIENCE)
    finally:
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()

    def spans(number: int, kind: int) -> list[Span]:
        found = [span for span in collector.spans() if span.kind == kind]
        named = f"request-{number}"
        return [span for span in found if told(span).get("rowhouse.request_id") == named]

    for number, status in ((7, Status.STATUS_CODE_UNSET), (8, Status.STATUS_CODE_ERROR)):
        until(lambda n=number: bool(spans(n, Span.SPAN_KIND_SERVER)), "the server's is sent")  # type: ignore[misc]
        [asked] = spans(number, Span.SPAN_KIND_SERVER)
        [ran] = spans(number, Span.SPAN_KIND_CONSUMER)
        assert (ran.name, ran.status.code) == ("run shop.pack", status)
        assert (ran.trace_id, ran.parent_span_id) == (asked.trace_id, asked.span_id)
        assert told(ran)["rowhouse.app"] == "shop"
        wrapped = collector.child_of(ran)
        assert (wrapped.name, wrapped.trace_id) == ("wrap", asked.trace_id)
    assert told(ran)["error.type"] == "AssertionError"
    failed = [each for each in entries(log.read_text()) if "AssertionError" in str(each)]
    assert {line["trace_id"] for line in failed} == {asked.trace_id.hex()}
