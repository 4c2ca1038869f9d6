"""Where a response ends: its length, its last byte, and what an app does behind that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from tests.shared_utils.hosting.walls.conftest import Wall

from tests.shared_utils.hosting.walls.apps import (
    NOTHING,
    Body,
    Closing,
    answering,
    is_replaced,
    raised,
)


@pytest.mark.parametrize(
    ("status", "method", "length", "is_cut"),
    [
        ("200 OK", "GET", "9", True),
        ("200 OK", "HEAD", "9", False),
        ("304 Not Modified", "GET", "9", False),
        ("204 No Content", "GET", "9", False),
        ("200 OK", "GET", "3", False),
        ("200 OK", "GET", "2", False),
    ],
)
def test_a_response_shorter_than_announced_is_cut(
    wall: Callable[..., Wall], status: str, method: str, length: str, is_cut: bool
) -> None:
    app = answering([b"one"], status=status, headers=[("Content-Length", length)])
    server = wall().serve(app, method=method)
    assert isinstance(server.raised, ConnectionResetError) == is_cut
    assert server.load == NOTHING


def test_one_that_never_begins_is_replaced(wall: Callable[..., Wall]) -> None:
    assert is_replaced(wall().serve(answering([], headers=[("Content-Length", "9")])))


def test_the_slot_is_given_back_with_the_last_byte_announced(wall: Callable[..., Wall]) -> None:
    headers = [("Content-Length", "6")]
    server = wall().serve(answering(Body(b"one", b"two"), headers=headers))
    assert [load.running for load in server.loads] == [1, 0]
    assert [load.threads for load in server.loads] == [1, 1]
    assert server.load == NOTHING


SPLITS = pytest.mark.parametrize(
    "chunks",
    [[b"onetwo"], [b"one", b"two"], [b"onetwo, and more"], [b"one", b"two, and more"]],
    ids=["whole", "in two", "too long", "in two, too long"],
)


@SPLITS
def test_behind_its_last_byte_an_app_goes_on_once_and_closes(
    wall: Callable[..., Wall], chunks: list[bytes]
) -> None:
    did: list[str] = []

    def body() -> Iterator[bytes]:
        yield from chunks
        did.append("went on")
        yield b""
        did.append("and on")
        yield b"beyond its length"
        did.append("too far")

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "6")])
        return Closing(body(), lambda: did.append("closed"))

    server = wall().serve(app)
    assert (server.sent, server.raised, did) == (chunks, None, ["went on", "and on", "closed"])
    assert server.load == NOTHING


@SPLITS
def test_what_is_raised_behind_the_last_byte_is_logged_and_the_response_stands(
    wall: Callable[..., Wall], chunks: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[int] = []
    body = Body(*chunks, lambda: raised(SystemExit(3)), close=lambda: closed.append(1))
    server = wall().serve(answering(body, headers=[("Content-Length", "6")]))
    assert (server.status, server.sent, server.raised) == (200, chunks, None)
    assert (closed, server.load) == ([1], NOTHING)
    assert "trades failed in close(); its response stands" in caplog.text


@SPLITS
@pytest.mark.parametrize("taken", ["none", "all but asks for no more"])
def test_an_app_does_not_go_on_where_the_server_has_not_taken_its_last_byte(
    wall: Callable[..., Wall], chunks: list[bytes], taken: str
) -> None:
    did: list[str] = []

    def body() -> Iterator[bytes]:
        try:
            yield from chunks
            did.append("went on")
        finally:
            did.append("cleaned up")

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "6")])
        return body()

    response = wall().begin(app)
    iterator = iter(response)  # kept, as gunicorn does: or the generator would be at its end
    if taken != "none":
        assert [next(iterator) for _ in chunks] == chunks
    response.close()  # type: ignore[attr-defined]
    assert did == ["cleaned up"]


def test_without_a_length_it_is_given_back_when_the_response_is_closed(
    wall: Callable[..., Wall],
) -> None:
    server = wall().serve(answering(Body(b"one", b"two")))
    assert [load.running for load in server.loads] == [1, 1]
    assert server.load == NOTHING
