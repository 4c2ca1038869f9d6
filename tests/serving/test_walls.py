"""Whatever a sibling does, its neighbours answer, and so do its worker and gunicorn's master."""

from __future__ import annotations

import dataclasses
import http.client
from collections.abc import Iterator

import pytest

from tests.raw import Client, request
from tests.running import Project, Serve, Server, until
from tests.serving.siblings import BREAKS_WSGI, FAILURES, GATED, RAISES, Gate
from tests.serving.walling import (
    PATIENT,
    SLOW,
    Clients,
    load,
    new_id,
    only_error,
    until_at_rest,
)

SAID = {
    "no_start": "it gave a body, but did not call start_response before",
    "no_start_empty": "did not call start_response",
    "none": "it returned None; return an iterable of bytes",
    "number": "it returned an int; return an iterable of bytes",
    "text_body": "its body is made of a str; write bytes",
    "text_written": "its body is made of a str; write bytes",
    "chunk_none": "its body is made of None; write bytes",
    "twice": "it called start_response twice",
    "status_number": 'its status is 200; write text such as "200 OK"',
    "status_text": "its status is 'OK'; write text",
    "status_lines": "its status is '200 OK\\r\\nX-Split: 1'; write text",
    "header_value": "its header 'X-Split' has characters that no header may have",
    "header_name": "its header 'X Split' has characters that no header may have",
    "header_number": "it has a tuple for a header; write tuples of two texts",
    "header_list": "it has a str for a header; write tuples of two texts",
    "length": "its Content-Length is 'many'; write a number of bytes",
    "too_short": "its response is 9 bytes shorter than its Content-Length",
    "no_wsgi": "takes 0 positional arguments but 2 were given",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Processes:
    server: Server
    workers: set[int]

    @property
    def are_the_same(self) -> bool:
        return self.server.process.poll() is None and self.server.workers() == self.workers


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """One server for all tests of what an app does to itself: it outlives them all."""
    project = Project(tmp_path_factory.mktemp("broken"))
    project.app("raises", RAISES, "app = 'apps.raises:application'\n")
    project.app("breaks", BREAKS_WSGI, "app = 'apps.breaks:application'\n")
    project.app("well")
    server = Server(project, environ=None)
    try:
        assert server.get("/well/").text == "well"
        yield Processes(server=server, workers=server.workers())
    finally:
        server.stop()


@pytest.fixture
def server(broken: Processes) -> Iterator[Server]:
    yield broken.server
    assert broken.server.get("/well/").text == "well"
    assert broken.are_the_same
    until_at_rest(broken.server, "raises", "breaks")


@pytest.mark.parametrize(
    ("failure", "where"),
    [
        (failure, where)
        for failure in FAILURES
        for where in ("call", "started", "first")
        if (failure, where) != ("StopIteration", "first")  # the end of the body
    ],
)
def test_what_an_app_raises_is_one_500_with_a_traceback_in_the_log(
    server: Server, failure: str, where: str
) -> None:
    if failure == "StopIteration" and where != "started":
        pytest.skip("is the end of the body, or of a WebSocket")
    given = new_id()
    with Client(server.port) as client:
        ask = request(f"/raises/{failure}/{where}", "GET", f"X-Request-ID: {given}")
        client.send(ask, request("/well/"))
        answer = client.answer()
        after = client.answer()
    assert (answer.status, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert answer.json == {
        "status": 500,
        "title": "Internal Server Error",
        "detail": "Raises could not answer this request.",
        "app": "raises",
        "request_id": given,
    }
    assert after.text == "well"
    error = only_error(server, given)
    assert error.startswith(f"GET /raises/{failure}/{where}: raises failed: {failure}")
    assert "Traceback" in error


@pytest.mark.parametrize(
    ("failure", "framing"),
    [
        (failure, framing)
        for failure in FAILURES
        for framing in ("chunked", "length", "HTTP/1.0")
        if failure != "StopIteration" or framing == "length"
    ],
)
def test_what_it_raises_later_cuts_the_response_so_that_the_client_sees_it(
    server: Server, failure: str, framing: str
) -> None:
    given, version = new_id(), "1.0" if framing == "HTTP/1.0" else "1.1"
    cut = ConnectionResetError if version == "1.0" else http.client.IncompleteRead
    path = f"/raises/{failure}/later?{framing}"
    with Client(server.port) as client:
        client.send(request(path, "GET", f"X-Request-ID: {given}", version=version))
        with pytest.raises(cut) as caught:
            client.answer()
    if isinstance(caught.value, http.client.IncompleteRead):
        assert caught.value.partial == b"first"
    error = only_error(server, given)
    assert error.startswith(f"GET /raises/{failure}/later: raises ")


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_what_close_raises_is_logged_and_the_response_stands(
    server: Server, failure: str, framing: str
) -> None:
    given = new_id()
    with Client(server.port) as client:
        ask = request(f"/raises/{failure}/close?{framing}", "GET", f"X-Request-ID: {given}")
        client.send(ask, request("/well/"))
        assert client.answer().text == "firstlaterlast"
        assert client.answer().text == "well"
    error = only_error(server, given)
    assert "raises failed in close(); its response stands" in error
    assert failure in error


@pytest.mark.parametrize(("fault", "said"), SAID.items(), ids=SAID)
def test_an_app_that_breaks_wsgi_gets_a_500_and_is_told_what_it_did(
    server: Server, fault: str, said: str
) -> None:
    given = new_id()
    with Client(server.port) as client:
        client.send(request(f"/breaks/{fault}", "GET", f"X-Request-ID: {given}"), request("/well/"))
        answer = client.answer()
        assert client.answer().text == "well"
    assert (answer.status, answer.json["app"]) == (500, "breaks")
    assert "X-Split" not in answer.headers
    error = only_error(server, given)
    assert error.startswith(f"GET /breaks/{fault}: breaks ")
    assert said in error


def test_an_interrupt_that_comes_with_another_failure_ends_no_worker(
    project: Project, serve: Serve
) -> None:
    """The app is blocked in C past its deadline, and fails there: both come at once."""
    project.app(
        "sick",
        """
        import socket

        def application(environ, start_response):
            with_time_out, other_end = socket.socketpair()
            with_time_out.settimeout(0.5)
            with_time_out.recv(1)
        """,
        "app = 'apps.sick:application'\nlimits.deadline = 0.05\n",
    )
    project.app("well")
    server = serve()
    assert server.get("/well/").text == "well"
    workers = server.workers()

    for _ in range(3):
        assert server.get("/sick/").status in (500, 504)
    assert server.get("/well/").text == "well"
    assert server.workers() == workers
    until_at_rest(server, "sick")


def test_in_debug_errors_reach_the_server_and_deadlines_are_off(
    project: Project, serve: Serve, clients: Clients, gate: Gate
) -> None:
    project.app("raises", RAISES, "app = 'apps.raises:application'\n")
    project.app("hung", GATED, "limits.deadline = 0.1\n")
    project.app("slow", SLOW, "limits.deadline = 0.1\n")
    project.app("well")
    server = serve(environ={"FLASK_DEBUG": "1"})
    assert server.get("/well/").text == "well"
    workers = server.workers()

    [waits] = clients(server, request("/hung/wait/0"))
    answer = server.get("/raises/ValueError/call")
    assert (answer.status, answer.headers["Content-Type"]) == (500, "text/html")
    assert "Error handling request" in server.lines()  # gunicorn's own words
    until(lambda: load(server, "hung") == (1, 0, 1), "it waits")
    gate.open(1)
    assert waits.answer().text == "0"
    assert "has taken longer" not in server.lines()
    assert server.get("/raises/ValueError/close").status == 200
    assert server.get("/well/").text == "well"
    assert server.workers() == workers
    until_at_rest(server, "raises")


def test_an_app_that_hangs_while_it_logs_keeps_nobody_from_logging(
    project: Project, serve: Serve, clients: Clients, gate: Gate
) -> None:
    project.app(
        "hung",
        """
        from flask import Flask
        from config import configure_app

        class Asked:
            def __str__(self):
                with open("gate", "rb", buffering=0) as gate:
                    gate.read(1)
                return "said"

        def create_app(overrides=None):
            app = Flask(__name__)
            configure_app(app, overrides)

            @app.get("/")
            def index():
                app.logger.warning("%s", Asked())
                return "hung"

            return app
        """,
    )
    project.app("raises", RAISES, "app = 'apps.raises:application'\n")
    project.operator(PATIENT)
    server = serve()
    [hanging] = clients(server, request("/hung/"))
    until(lambda: load(server, "hung") == (1, 0, 1), "it hangs")

    given = new_id()
    assert server.get("/raises/ValueError/call", X_Request_ID=given).status == 500
    only_error(server, given)
    assert load(server, "hung") == (1, 0, 1)
    gate.open(1)
    assert hanging.answer().text == "hung"
    assert '"message": "said"' in server.lines()
