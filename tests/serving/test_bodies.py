"""Bodies that are too large are refused or cut off, of whatever kind the app is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.raw import Client, chunked, request
from tests.running import Project, Server, entries, until
from tests.serving.walling import (
    load,
    until_at_rest,
)


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = Project(tmp_path_factory.mktemp("bodies"))
    project.app(
        "takes",
        """
        from flask import Flask, request
        from config import configure_app

        def create_app(overrides=None):
            app = Flask(__name__)
            configure_app(app, overrides)
            app.add_url_rule("/", "index", lambda: "takes")
            app.add_url_rule("/blind", "blind", lambda: "not read", methods=["POST"])

            @app.post("/")
            def takes():
                return str(len(request.get_data()))

            @app.post("/swallow")
            def swallow():
                try:
                    while request.stream.read(1000):
                        pass
                except Exception:
                    pass
                return "as if nothing had happened"

            return app
        """,
        "limits.max_body = 100_000\n",
    )
    project.app(
        "plain",
        """
        def application(environ, start_response):
            body = environ["wsgi.input"].read()
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [str(len(body)).encode()]
        """,
        "app = 'apps.plain:application'\nlimits.max_body = 100_000\n",
    )
    server = Server(project, environ=None)
    try:
        assert server.get("/takes/").text == "takes"
        yield server
    finally:
        server.stop()


EXPECT = "Expect: 100-continue"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize("path", ["/takes/", "/takes/blind", "/plain/"])
@pytest.mark.parametrize("fields", [(), (EXPECT,)], ids=["at once", "expect"])
def test_a_body_that_is_announced_as_too_large_is_refused_before_it_is_sent(
    bodies: Server, path: str, fields: tuple[str, ...]
) -> None:
    with Client(bodies.port) as client:
        client.send(request(path, "POST", "Content-Length: 100001", *fields))
        answer = client.answer("POST")
    assert (answer.status, answer.headers["Content-Type"]) == (413, "application/problem+json")
    assert answer.json["detail"].endswith(" takes request bodies of up to 100000 bytes.")
    until_at_rest(bodies, path.split("/")[1])


@pytest.mark.parametrize("path", ["/takes/", "/plain/"])
@pytest.mark.parametrize(
    "body",
    [
        request("", body=bytes(100_000)).partition(b"\r\n\r\n")[2],
        chunked(bytes(60_000), bytes(40_000)),
    ],
    ids=["length", "chunked"],
)
def test_a_body_of_exactly_as_much_is_taken(bodies: Server, path: str, body: bytes) -> None:
    fields = [CHUNKED] if len(body) > 100_000 else []
    with Client(bodies.port) as client:
        client.send(request(path, "POST", *fields, body=body), request("/takes/"))
        answer = client.answer("POST")
        assert (answer.status, answer.text) == (200, "100000")
        assert client.answer().text == "takes"


@pytest.mark.parametrize("path", ["/takes/", "/takes/swallow", "/plain/"])
@pytest.mark.parametrize("rest", [b"", b"0\r\n\r\n", b"ffff\r\n"], ids=["open", "end", "more"])
def test_a_chunked_body_is_cut_off_where_it_passes_the_limit(
    bodies: Server, path: str, rest: bytes
) -> None:
    """Answered at once, with no need for the rest of it."""
    body = chunked(bytes(60_000), bytes(50_000))[: -len(b"0\r\n\r\n")]
    with Client(bodies.port) as client:
        client.send(request(path, "POST", CHUNKED, body=body + rest))
        answer = client.answer("POST")
    assert answer.status == 413
    # An app that lets the error pass, or makes a page of it, answers 413 as well.
    is_own = path == "/takes/"
    assert answer.headers["Content-Type"].startswith("text/html" if is_own else "application/p")
    until_at_rest(bodies, path.split("/")[1])
    assert bodies.get("/takes/").text == "takes"


@pytest.mark.parametrize(
    "sent",
    [
        request("/takes/", "POST", "Content-Length: 9", body=b"short"),
        request("/takes/", "POST", CHUNKED, body=b"9\r\nshort"),
        request("/plain/", "POST", "Content-Length: 9", body=b"short"),
    ],
)
def test_a_client_that_goes_in_the_middle_of_its_body_leaves_nothing_behind(
    bodies: Server, sent: bytes
) -> None:
    """And nothing to read about: Flask itself may log what it met."""
    before = len(bodies.lines())
    with Client(bodies.port) as client:
        client.send(sent)
        until(lambda: load(bodies, "takes")[2] + load(bodies, "plain")[2] == 1, "it is read")
        client.reset()
    until(lambda: load(bodies, "takes")[2] + load(bodies, "plain")[2] == 0, "all is given back")

    def said() -> str:
        return bodies.lines()[before:]

    def paths() -> set[str]:
        return {entry.get("path", "") for entry in entries(said())}

    until(lambda: not paths().isdisjoint({"/takes/", "/plain/"}), "it is logged")
    assert {entry["logger"] for entry in entries(said())} <= {"apps.takes", "rowhouse.access"}
    assert all(line.startswith("{") for line in said().splitlines()), "and nothing besides entries"
