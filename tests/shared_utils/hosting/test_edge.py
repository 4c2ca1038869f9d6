from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Response

from shared_utils.hosting.edge import Edge
from shared_utils.hosting.telemetry.own_headers import SAFE_HEADERS
from shared_utils.hosting.telemetry.record import Record
from shared_utils.logging import app_name, request_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def telling(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    text = f"{environ['HTTP_X_REQUEST_ID']} {request_id.get()} {app_name.get()}"
    return Response(text)(environ, start_response)


def with_headers(*headers: tuple[str, str]) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", list(headers))
        return [b""]

    return app


@pytest.mark.parametrize("given", ["abcdefgh", "A.b_c-12", "0" * 64])
def test_a_well_formed_id_is_kept(given: str) -> None:
    response = Client(Edge(telling)).get("/", headers={"X-Request-ID": given})
    assert response.headers["X-Request-ID"] == given
    assert response.text == f"{given} {given} "


@pytest.mark.parametrize(
    "given", [None, "", "short", "0" * 65, "-abcdefgh", "abc defgh", "abcdefg\t", "äbcdefgh", "a;b"]
)
def test_otherwise_a_new_one_is_made(given: str | None) -> None:
    headers = {} if given is None else {"X-Request-ID": given}
    response = Client(Edge(telling)).get("/", headers=headers)
    made = response.headers["X-Request-ID"]
    assert made != given
    assert len(made) == 16
    assert response.text == f"{made} {made} "


def test_each_request_has_an_id_of_its_own() -> None:
    client = Client(Edge(telling))
    assert client.get("/").text != client.get("/").text


def test_a_request_began_when_it_had_come_and_has_waited_since() -> None:
    edge = Edge(telling)
    records: list[Record] = []
    edge.recorder.finished.append(records.extend)
    came_at, now = time.monotonic() - 60, time.time()
    sock = SimpleNamespace(came_at=came_at)
    Client(edge).get("/", environ_overrides={"gunicorn.socket": sock}).close()
    [record] = records
    assert record.began == came_at
    assert record.started_at <= now - 59
    assert 60 <= record.waited <= record.duration


@pytest.mark.parametrize("sock", [None, SimpleNamespace()], ids=["no socket", "not the worker's"])
def test_elsewhere_it_begins_where_it_is_answered(sock: object) -> None:
    edge = Edge(telling)
    records: list[Record] = []
    edge.recorder.finished.append(records.extend)
    before = time.monotonic()
    Client(edge).get("/", environ_overrides={"gunicorn.socket": sock}).close()
    [record] = records
    assert record.began >= before
    assert record.waited == 0


def test_an_id_that_the_app_set_is_kept() -> None:
    found = Client(Edge(with_headers(("x-request-id", "mine")))).get("/").headers
    assert found.getlist("X-Request-ID") == ["mine"]


def test_the_name_of_an_app_alone() -> None:
    assert Client(Edge(telling, name="trades")).get("/").text.endswith(" trades")


def test_safe_headers_are_added() -> None:
    found = Client(Edge(with_headers())).get("/").headers
    for name, value in SAFE_HEADERS:
        assert found.getlist(name) == [value]
    assert "Content-Security-Policy" not in found


@pytest.mark.parametrize("name", [name.lower() for name, _ in SAFE_HEADERS])
def test_safe_headers_that_the_app_set_are_kept(name: str) -> None:
    for _ in range(3):
        found = Client(Edge(with_headers(("X-Other", "1"), (name, "mine")))).get("/").headers
        assert found.getlist(name) == ["mine"]
        assert len(found) == 2 + len(SAFE_HEADERS)


def test_the_apps_headers_are_not_changed_in_place() -> None:
    headers: list[tuple[str, str]] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", headers)
        return [b""]

    Client(Edge(app)).get("/")
    assert headers == []


def test_exc_info_and_write_are_passed() -> None:
    seen: list[Any] = []

    def start_response(*given: Any) -> Any:
        seen.append(given[2])
        return seen.append

    def app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        try:
            raise ValueError
        except ValueError:
            info = sys.exc_info()
            seen.append(info)
            start("500 X", [], info)(b"written")
        return []

    Edge(app)({}, start_response)
    assert seen[1] is seen[0]
    assert seen[2] == b"written"
