from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import RequestEntityTooLarge

from shared_utils.hosting.settings.mounts import Mount
from shared_utils.hosting.walls.body import Body, announced
from shared_utils.hosting.walls.deadline import Clock, Terms, Watchdog

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from tests.shared_utils.hosting.walls.conftest import Wall

CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
MOUNT = Mount(name="trades", prefix="/trades", target="x:y", title="Trades")


def body(content: bytes, limit: int = 1000) -> Body:
    return Body(io.BytesIO(content), limit, Clock(Terms(MOUNT, Watchdog()), {}))


class OnlySizedReads:
    """A server's stream of which no other method may be called."""

    def __init__(self, content: bytes) -> None:
        self._stream = io.BytesIO(content)

    def read(self, size: int) -> bytes:
        assert size >= 0
        return self._stream.read(size)


@pytest.mark.parametrize(
    ("environ", "length"),
    [
        ({}, 0),
        ({"CONTENT_LENGTH": "0"}, 0),
        ({"CONTENT_LENGTH": ""}, 0),
        ({"CONTENT_LENGTH": "12"}, 12),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, 0),
    ],
)
def test_what_a_request_says_of_the_length_of_its_body(
    environ: WSGIEnvironment, length: int
) -> None:
    assert announced(environ) == length


reads = st.lists(
    st.tuples(st.sampled_from(["read", "readline"]), st.sampled_from([None, -1, 0, 1, 2, 7, 99]))
)


@given(content=st.binary(max_size=40).map(lambda raw: raw.replace(b"\x00", b"\n")), calls=reads)
def test_it_reads_as_the_servers_own_does(
    content: bytes, calls: list[tuple[str, int | None]]
) -> None:
    limited = Body(OnlySizedReads(content), 1000, Clock(Terms(MOUNT, Watchdog()), {})).reader()
    plain = io.BytesIO(content)
    for method, size in calls:
        assert getattr(limited, method)(size) == getattr(plain, method)(size)
    assert list(limited) == plain.readlines()


@given(content=st.binary(max_size=40), limit=st.integers(0, 45), calls=reads)
def test_never_more_than_the_limit_is_read(
    content: bytes, limit: int, calls: list[tuple[str, int | None]]
) -> None:
    bounded, got = body(content, limit), b""
    stream = bounded.reader()
    try:
        for method, size in [*calls, ("read", None), ("read", None)]:
            got += getattr(stream, method)(size)
    except RequestEntityTooLarge:
        assert bounded.is_too_large
        assert len(content) > limit
        with pytest.raises(RequestEntityTooLarge):
            stream.read(1)
    else:
        assert got == content
        assert len(content) <= limit
    assert len(got) <= limit


def reading(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    content = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % len(content)]


def careless(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    with contextlib.suppress(Exception):
        environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"all is well"]


def own_page(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    try:
        environ["wsgi.input"].read()
    except RequestEntityTooLarge:
        start_response("413 Too Large", [("Content-Type", "text/plain")])
    return [b"own page"]


@pytest.mark.parametrize(
    ("app", "said"),
    [(reading, b"up to 9 bytes"), (careless, b"up to 9 bytes"), (own_page, b"own page")],
)
def test_a_chunked_body_is_cut_off_at_the_limit(
    wall: Callable[..., Wall], app: Any, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    def sent(content: bytes) -> Wall:
        given = {"wsgi.input": io.BytesIO(content), **CHUNKED}
        return wall(max_body=9).serve(app, method="POST", environ_overrides=given)

    server = sent(b"1234567890")
    assert server.status == 413
    assert said in server.body
    assert caplog.records == []
    if app is reading:
        assert sent(b"123456789").body == b"9"
