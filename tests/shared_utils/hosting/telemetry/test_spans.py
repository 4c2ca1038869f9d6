"""The span of each request, in the SDK's in-memory exporter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, abort
from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Sampler
from opentelemetry.trace import SpanKind, StatusCode
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Response

from shared_utils.hosting.edge import Edge
from shared_utils.hosting.proxy import CheckedProxyFix
from shared_utils.hosting.telemetry.record import Record, current
from shared_utils.hosting.telemetry.recorder import Recorder
from shared_utils.hosting.telemetry.spans import Spans
from shared_utils.logging import trace_parent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
INCOMING = {"traceparent": f"00-{TRACE}-{PARENT}-01", "baggage": "who=ann"}


class Traced:
    """Requests that are traced, and their spans."""

    def __init__(self, sampler: Sampler | None = None) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.spans = Spans(provider)
        self.tracer = provider.get_tracer("an app's own")
        self.records: list[Record] = []
        self.recorder = Recorder()
        self.recorder.entered.append(self.spans.enter)
        self.recorder.finished.append(self.records.extend)

    def client(self, app: WSGIApplication) -> Client:
        return Client(Edge(app, recorder=self.recorder))

    def ask(self, app: WSGIApplication, path: str = "/", **request: Any) -> TestResponse:
        """Return the response of a request that has ended."""
        return self.client(app).open(path, buffered=True, **request)

    def one(self) -> ReadableSpan:
        [span] = self.exporter.get_finished_spans()
        return span

    def told(self) -> dict[str, object]:
        return dict(self.one().attributes or {})


@pytest.fixture
def traced() -> Traced:
    return Traced()


@pytest.fixture
def shop(traced: Traced) -> Flask:
    app = Flask("shop")

    @app.route("/carts/<int:number>", methods=["GET", "POST"])
    def cart(number: int) -> str:
        with traced.tracer.start_as_current_span("look up"):
            return f"{number} {baggage.get_baggage('who')}"

    @app.get("/fail")
    def fail() -> str:
        raise ValueError("no \udcff such cart")

    @app.get("/refuse/<int:status>")
    def refuse(status: int) -> str:
        abort(status)

    @app.get("/stream")
    def stream() -> Response:
        def chunks() -> Iterator[str]:
            with traced.tracer.start_as_current_span("first chunk"):
                yield "a"
            yield "b"

        return Response(chunks())

    return app


def under(prefix: str, app: WSGIApplication) -> WSGIApplication:
    return DispatcherMiddleware(Response("nothing here", status=404), {prefix: app})


def hex_of(span: ReadableSpan) -> tuple[str, str]:
    assert span.context is not None
    return trace.format_trace_id(span.context.trace_id), trace.format_span_id(span.context.span_id)


def test_a_request(traced: Traced, shop: Flask) -> None:
    headers = {"X-Request-ID": "abcdefgh", "User-Agent": "a client", "Host": "example.com:8080"}
    traced.ask(
        under("/shop", shop),
        "/shop/carts/7?token=secret",
        headers=headers,
        environ_overrides={"REMOTE_ADDR": "198.51.100.7"},
    )
    child, span = traced.exporter.get_finished_spans()
    assert (span.name, span.kind) == ("GET /shop/carts/<int:number>", SpanKind.SERVER)
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/shop/carts/<int:number>",
        "url.path": "/shop/carts/7",
        "url.scheme": "http",
        "server.address": "example.com",
        "server.port": 8080,
        "client.address": "198.51.100.7",
        "network.protocol.version": "1.1",
        "user_agent.original": "a client",
        "rowhouse.request_id": "abcdefgh",
        "rowhouse.waited_ms": 0.0,
    }
    assert span.parent is None
    assert child.parent == span.context, "the app's own span is a part of it"
    assert child.start_time is not None and span.start_time is not None
    assert child.end_time is not None and span.end_time is not None
    assert span.start_time <= child.start_time


def test_the_parent_comes_with_the_request(traced: Traced, shop: Flask) -> None:
    response = traced.ask(shop, "/carts/7", headers=INCOMING)
    assert response.text == "7 ann"
    span = traced.exporter.get_finished_spans()[1]
    assert hex_of(span)[0] == TRACE
    assert span.parent is not None
    assert (trace.format_span_id(span.parent.span_id), span.parent.is_remote) == (PARENT, True)
    assert (traced.records[0].trace_id, traced.records[0].parent_id) == (TRACE, PARENT)


def test_log_lines_are_of_the_spans_trace(traced: Traced) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return Response(trace_parent.get())(environ, start_response)

    for headers in ({}, INCOMING, {"traceparent": "of no form"}):
        traced.exporter.clear()
        said = traced.ask(app, headers=headers).text
        assert said == "00-{}-{}-{:02x}".format(
            *hex_of(traced.one()), traced.one().context.trace_flags
        )
        assert traced.records[-1].trace_id == hex_of(traced.one())[0]
    assert traced.records[0].trace_id != TRACE
    assert traced.records[1].trace_id == TRACE
    assert traced.records[2].trace_id not in (TRACE, traced.records[0].trace_id)


@pytest.mark.parametrize(
    ("path", "name", "status"),
    [
        pytest.param("/nowhere", "GET", 404, id="no route"),
        pytest.param("/shop/nowhere", "GET", 404, id="no route in the app"),
        pytest.param("/shop/refuse/404", "GET /shop/refuse/<int:status>", 404, id="refused"),
    ],
)
def test_what_the_client_has_done_wrong_is_no_error(
    traced: Traced, shop: Flask, path: str, name: str, status: int
) -> None:
    traced.ask(under("/shop", shop), path)
    span = traced.one()
    assert (span.name, traced.told()["http.response.status_code"]) == (name, status)
    assert span.status.status_code is StatusCode.UNSET
    assert not {"error.type", "rowhouse.app"} & traced.told().keys()
    assert ("http.route" in traced.told()) == (name != "GET")


def test_a_server_error(traced: Traced, shop: Flask) -> None:
    traced.ask(shop, "/refuse/503")
    assert traced.one().status.status_code is StatusCode.ERROR
    assert traced.one().status.description is None
    assert traced.told()["error.type"] == "503"


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        ("ValueError: no \udcff cart", "ValueError"),
        ("DeadlineExceeded", "DeadlineExceeded"),
        ("it gave a body: and no status", "_OTHER"),
    ],
)
def test_a_failure_after_the_response_has_begun(traced: Traced, failure: str, kind: str) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        record = current.get()
        record.failure, record.app, record.shed, record.waited = failure, "shop", "threads", 0.25
        return Response("half of it")(environ, start_response)

    traced.ask(app)
    status, told = traced.one().status, traced.told()
    assert status.status_code is StatusCode.ERROR
    assert status.description == failure.replace("\udcff", "?"), "it can be sent"
    assert (told["error.type"], told["http.response.status_code"]) == (kind, 200)
    assert (told["rowhouse.app"], told["rowhouse.shed"]) == ("shop", "threads")
    assert told["rowhouse.waited_ms"] == 250.0


def test_what_an_app_raises_through_all_layers(traced: Traced) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        traced.ask(app)
    assert "http.response.status_code" not in traced.told()
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_span_ends_when_the_response_has_been_sent(traced: Traced, shop: Flask) -> None:
    response = traced.client(shop).get("/stream")
    chunks = response.iter_encoded()
    assert next(chunks) == b"a"
    assert traced.exporter.get_finished_spans() == ()
    assert list(chunks) == [b"b"]
    response.close()
    child, span = traced.exporter.get_finished_spans()
    assert span.name == "GET /stream"
    assert child.parent == span.context


def test_methods_that_clients_make_up(traced: Traced, shop: Flask) -> None:
    traced.ask(shop, "/carts/7", method="BREW")
    assert traced.one().name == "HTTP"
    told = traced.told()
    assert told["http.request.method"] == "_OTHER"
    assert told["http.request.method_original"] == "BREW"


def test_behind_a_proxy(traced: Traced, shop: Flask) -> None:
    headers = {
        "X-Forwarded-For": "198.51.100.7",
        "X-Forwarded-Host": "apps.example.com",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/tools",
    }
    traced.ask(CheckedProxyFix(under("/shop", shop), 1), "/shop/refuse/404", headers=headers)
    told = traced.told()
    assert told["http.route"] == "/tools/shop/refuse/<int:status>"
    assert (told["url.scheme"], told["url.path"]) == ("https", "/tools/shop/refuse/404")
    assert (told["server.address"], told["client.address"]) == ("apps.example.com", "198.51.100.7")


@pytest.mark.parametrize("host", ["", "[", "a:b", "::", "example.com:99999", "ex ample"])
def test_any_host(traced: Traced, host: str) -> None:
    environ = {"HTTP_HOST": host}
    traced.ask(Response("hello"), environ_overrides=environ)
    assert traced.told()["http.response.status_code"] == 200


def test_a_prefix_that_is_not_ascii(traced: Traced, shop: Flask) -> None:
    app = under("/café".encode().decode("latin-1"), shop)
    traced.ask(app, "/café/refuse/404")
    assert traced.told()["http.route"] == "/café/refuse/<int:status>"
    assert traced.told()["url.path"] == "/caf%C3%A9/refuse/404"


def test_the_route_is_that_of_the_app_and_not_of_one_that_it_calls(
    traced: Traced, shop: Flask
) -> None:
    outer = Flask("outer")

    @outer.get("/ask")
    def ask() -> str:
        return shop.test_client().get("/refuse/404").text

    traced.ask(outer, "/ask")
    assert traced.one().name == "GET /ask"


@pytest.mark.parametrize(
    ("code", "description"), [(StatusCode.OK, None), (StatusCode.ERROR, "no stock")]
)
def test_what_an_app_says_of_the_span_stands(
    traced: Traced, code: StatusCode, description: str | None
) -> None:
    app = Flask("app")

    @app.get("/")
    def index() -> tuple[str, int]:
        span = trace.get_current_span()
        span.update_name("checkout")
        span.set_attribute("cart", 7)
        span.set_status(code, description)
        return "sorry", 500

    traced.ask(app)
    assert (traced.one().name, traced.told()["cart"]) == ("checkout", 7)
    status = traced.one().status
    assert (status.status_code, status.description) == (code, description)


def test_a_span_that_an_app_has_ended_is_left_alone(
    traced: Traced, caplog: pytest.LogCaptureFixture
) -> None:
    app = Flask("app")

    @app.get("/")
    def index() -> str:
        trace.get_current_span().end()
        return "done"

    assert traced.ask(app).text == "done"
    assert traced.one().name == "GET /"
    assert caplog.records == []


def test_what_is_not_sampled_is_not_sent_but_has_a_trace() -> None:
    traced = Traced(ALWAYS_OFF)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return Response(trace_parent.get())(environ, start_response)

    said = traced.ask(app).text
    assert int(said[-2:], 16) & 1 == 0
    assert traced.records[0].trace_id == said[3:35]
    assert traced.exporter.get_finished_spans() == ()


def test_nothing_is_left_behind(traced: Traced, shop: Flask) -> None:
    traced.ask(shop, "/carts/7", headers=INCOMING)
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert baggage.get_all() == {}
    assert traced.records[0].span is None, "it leads to the environ, and records are kept"
