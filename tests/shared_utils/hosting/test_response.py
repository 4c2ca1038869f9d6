"""What leaves in which step. Packets of the socket are the calls to the system."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from contextvars import copy_context
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.errors import InvalidResponseHeader  # type: ignore[attr-defined]
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from shared_utils.hosting import response
from shared_utils.hosting.known_names import KnownNames
from shared_utils.hosting.response import TOGETHER, Response
from shared_utils.hosting.telemetry.own_headers import ID, with_own
from shared_utils.hosting.telemetry.record import Record, current
from shared_utils.hosting.walls.soundness import Misuse, checked
from tests.conftest import ProjectFolder

LENGTH_5 = [("Content-Type", "text/plain"), ("Content-Length", "5")]


class Line:
    """A connection on which each step of sending stays apart."""

    def __init__(self) -> None:
        self.server, self.client = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.client.setblocking(False)

    def response(
        self, kind: type[wsgi.Response] = Response, method: str = "GET", version: Any = (1, 1)
    ) -> wsgi.Response:
        request: Any = SimpleNamespace(method=method, version=version, should_close=lambda: False)
        return kind(request, self.server, Config())

    def fill(self) -> None:
        """Have no room for another packet."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.server.send(b"full")

    def packets(self) -> list[bytes]:
        packets = []
        try:
            while True:
                packets.append(self.client.recv(1 << 20))
        except BlockingIOError:
            return packets


@pytest.fixture(autouse=True)
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response, "_names", KnownNames())


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    with made.server, made.client:
        yield made


def test_head_and_body_leave_together(line: Line) -> None:
    answer = line.response()
    answer.start_response("200 OK", LENGTH_5)
    answer.write(b"Hello")
    answer.close()
    [packet] = line.packets()
    head, _, body = packet.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nContent-Type: text/plain\r\nContent-Length: 5" in head
    assert body == b"Hello"


def test_chunks_are_framed(line: Line) -> None:
    answer = line.response()
    answer.start_response("200 OK", [])
    answer.write(b"Hello, World!")
    answer.write(b"again")
    answer.close()
    first, *rest = line.packets()
    assert first.endswith(b"Transfer-Encoding: chunked\r\n\r\nD\r\nHello, World!\r\n")
    assert rest == [b"5\r\nagain\r\n", b"0\r\n\r\n"]


def test_large_chunk_is_not_copied(line: Line) -> None:
    answer = line.response()
    answer.start_response("200 OK", [("Content-Length", str(TOGETHER + 1))])
    answer.write(b"x" * (TOGETHER + 1))
    head, body = line.packets()
    assert head.endswith(b"\r\n\r\n")
    assert body == b"x" * (TOGETHER + 1)


@pytest.mark.parametrize(
    ("method", "status", "headers", "chunks"),
    [
        ("GET", "204 No Content", [], []),
        ("GET", "304 Not Modified", LENGTH_5, []),
        ("HEAD", "200 OK", LENGTH_5, [b"Hello"]),
        ("GET", "200 OK", [("Content-Length", "0")], [b"more than it said"]),
        ("GET", "200 OK", [("Content-Length", "0")], []),
    ],
)
def test_head_leaves_without_a_body(
    line: Line, method: str, status: str, headers: list[tuple[str, str]], chunks: list[bytes]
) -> None:
    answer = line.response(method=method)
    answer.start_response(status, headers)
    for chunk in chunks:
        answer.write(chunk)
    answer.close()
    [packet] = line.packets()
    assert packet.startswith(f"HTTP/1.1 {status}\r\n".encode())
    assert packet.endswith(b"\r\n\r\n")
    assert packet.count(b"\r\n\r\n") == 1


def test_empty_first_chunk_sends_the_head_at_once(line: Line) -> None:
    answer = line.response()
    answer.start_response("200 OK", [])
    answer.write(b"")
    assert [packet[-4:] for packet in line.packets()] == [b"\r\n\r\n"]
    answer.write(b"late")
    assert line.packets() == [b"4\r\nlate\r\n"]


def test_head_has_left_where_a_body_is_no_bytes(line: Line) -> None:
    answer = line.response()
    answer.start_response("200 OK", LENGTH_5)
    with pytest.raises(TypeError):
        answer.write("Hello")  # type: ignore[arg-type]
    assert answer.headers_sent
    assert len(line.packets()) == 1


DATE = "Sat, 21 Nov 2026 12:00:00 GMT"
STATUSES = ["200 OK", "200 ", "204 No Content", "304 Not Modified", "404 N\xf6t", "101 Other"]
PAIRS = st.one_of(
    st.tuples(
        st.sampled_from(["Content-Length", "content-length"]), st.sampled_from(["0", " 5\t", "x"])
    ),
    st.tuples(
        st.sampled_from(["Connection", "Upgrade", "Keep-Alive", "Set-Cookie", "X-A", "x-a", "a b"]),
        st.sampled_from(["close", "upgrade", "websocket", " \tvalue  ", "h\xf6rt", "a\r\nb: c"]),
    ),
)
CHUNKS = st.sampled_from([b"", b"Hello", b"Hello, World!", "Hello", b"x" * (TOGETHER + 1)])


@given(
    method=st.sampled_from(["GET", "HEAD"]),
    version=st.sampled_from([(1, 0), (1, 1)]),
    status=st.sampled_from(STATUSES),
    headers=st.lists(PAIRS, max_size=4),
    chunks=st.lists(CHUNKS, max_size=3),
    again=st.sampled_from([None, "500 Failed"]),
)
@settings(max_examples=300)
def test_is_the_same_as_gunicorns(
    method: str,
    version: Any,
    status: str,
    headers: list[tuple[str, str]],
    chunks: list[Any],
    again: str | None,
) -> None:
    """Bytes, errors and what becomes of the connection; headers are known the second time."""

    def outcome(kind: type[wsgi.Response]) -> Any:
        line = Line()
        errors: list[Any] = []
        with line.server, line.client:
            answer = line.response(kind, method, version)
            steps: list[tuple[Any, ...]] = [(answer.start_response, status, headers)]
            if again:
                error = ValueError()
                steps.append((answer.start_response, again, [], (ValueError, error, None)))
            steps += [(answer.write, chunk) for chunk in chunks]
            for step, *arguments in [*steps, (answer.close,)]:
                try:
                    step(*arguments)
                except Exception as error:
                    errors.append((type(error), str(error)))
                    if not answer.status:
                        break
            if answer.status:
                errors.append(answer.should_close())
            return b"".join(line.packets()), errors, answer.sent

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(response, "_date", lambda: DATE)
        patch.setattr("gunicorn.util.http_date", lambda: DATE)
        expected = outcome(wsgi.Response)
        assert [outcome(Response), outcome(Response)] == [expected, expected]


OF_THE_HOST = st.sampled_from([*LENGTH_5, (ID, "of the app"), (ID.lower(), "of the app")])


@given(
    method=st.sampled_from(["GET", "HEAD"]),
    version=st.sampled_from([(1, 0), (1, 1)]),
    status=st.sampled_from(STATUSES),
    headers=st.lists(st.one_of(PAIRS, OF_THE_HOST), max_size=4),
    again=st.booleans(),
)
@settings(max_examples=300)
def test_headers_that_the_wall_has_checked_leave_as_from_gunicorn(
    method: str, version: Any, status: str, headers: list[tuple[str, str]], again: bool
) -> None:
    """Their lines are known in the end, whatever the request; its id is another each time."""

    def sent(kind: type[wsgi.Response], request_id: str) -> Any:
        record = Record(request_id)
        current.set(record)
        line = Line()
        with line.server, line.client:
            answer = line.response(kind, method, version)
            _, passed_on, *_, record.known = checked(status, headers)
            answer.start_response(status, with_own(passed_on, record)[0])
            if again:
                whole = with_own(list(headers), record)[0]
                answer.start_response(status, whole, (ValueError, ValueError(), None))
            answer.write(b"Hello")
            answer.close()
            return b"".join(line.packets()), answer.should_close(), answer.sent

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(response, "_date", lambda: DATE)
        patch.setattr("gunicorn.util.http_date", lambda: DATE)
        for request_id in ("first-id", "second-id", "third-id", "fourth-id"):
            try:
                expected = copy_context().run(sent, wsgi.Response, request_id)
            except Misuse:
                return
            assert copy_context().run(sent, Response, request_id) == expected


def test_headers_that_are_no_more_those_the_wall_has_checked_are_looked_at(line: Line) -> None:
    def sent(*more: tuple[str, str]) -> bytes:
        record = Record("12345678")
        current.set(record)
        answer = line.response()
        _, passed_on, *_, record.known = checked("200 OK", LENGTH_5)
        answer.start_response("200 OK", [*with_own(passed_on, record)[0], *more])
        answer.close()
        return b"".join(line.packets())

    for _ in range(4):
        assert b"X-More" not in copy_context().run(sent)
        assert b"X-More: 1\r\n" in copy_context().run(sent, ("X-More", "1"))
        with pytest.raises(InvalidResponseHeader):
            copy_context().run(sent, ("X-More", "1\r\nX-Split: 2"))


def test_headers_of_an_app_are_looked_at_twice(
    line: Line, project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All the way from a view to the client; of another length each time."""
    project.app(
        "trades",
        """
        from flask import Flask, request

        def create_app():
            app = Flask(__name__)
            app.get("/")(lambda: "x" * int(request.args["n"]))
            return app
        """,
    )
    host = project.host()
    looks = []
    look_at = Response._look_at

    def counted(self: Response, headers: Any) -> None:
        looks.append(headers)
        look_at(self, headers)

    monkeypatch.setattr(Response, "_look_at", counted)
    heads = []
    for number in range(1, 6):
        answer = line.response()
        environ = EnvironBuilder(path="/trades/", query_string={"n": str(number)}).get_environ()
        start: Any = answer.start_response
        body: Any = host(environ, start)
        for chunk in body:
            answer.write(chunk)
        body.close()
        answer.close()
        head, _, sent = b"".join(line.packets()).partition(b"\r\n\r\n")
        assert sent == b"x" * number
        lines = head.decode().split("\r\n")
        assert f"Content-Length: {number}" in lines
        heads.append([line.partition(":")[0] for line in lines])
    assert heads == [heads[0]] * 5
    assert len(looks) == 2
    assert "X-Request-ID" in heads[0]


def test_a_head_that_could_not_be_sent_is_sent_with_what_follows(line: Line) -> None:
    """An app may catch what its ``write`` raises, and write again."""
    answer = line.response()
    answer.start_response("200 OK", LENGTH_5)
    line.server.settimeout(0)
    line.fill()
    with pytest.raises(BlockingIOError):
        answer.write(b"Hello")
    assert not answer.headers_sent
    line.packets()
    answer.sent = 0  # gunicorn has counted what it could not send
    answer.write(b"Hello")
    [packet] = line.packets()
    assert packet.startswith(b"HTTP/1.1 200 OK\r\n")
    assert packet.endswith(b"\r\n\r\nHello")


def test_bytes_and_text_of_other_classes_are_sent_as_they_are(line: Line) -> None:
    class Bytes(bytes):
        def __radd__(self, other: bytes) -> bytes:
            raise ValueError

    class Text(str):
        __slots__ = ()

        def __format__(self, how: str) -> str:
            raise ValueError

    answer = line.response()
    answer.start_response(Text("200 OK"), [(Text("X-A"), Text("value")), LENGTH_5[1]])
    answer.write(Bytes(b"Hello"))
    [packet] = line.packets()
    assert packet.startswith(b"HTTP/1.1 200 OK\r\n")
    assert packet.endswith(b"\r\nX-A: value\r\nContent-Length: 5\r\n\r\nHello")


def test_known_name_does_not_vouch_for_its_value(line: Line) -> None:
    for value in ("sound", "sound too"):
        line.response().start_response("200 OK", [("X-Known", value)])
    with pytest.raises(InvalidResponseHeader):
        line.response().start_response("200 OK", [("X-Known", "a\r\nX-Split: b")])


def test_text_of_another_class_is_looked_at(line: Line) -> None:
    class Known(str):
        """Says that it is what is known."""

        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return hash("X-Known")

    line.response().start_response("200 OK", [("X-Known", "value")])
    with pytest.raises(Exception, match="X-Split"):
        line.response().start_response("200 OK", [(Known("X-Known: a\r\nX-Split"), "b")])


def test_names_are_bounded(line: Line) -> None:
    for number in range(1000):
        line.response().start_response("200 OK", [(f"X-Made-Up-{number}", "value")])
        line.response().start_response("200 OK", [(f"X-{'long' * 100}-{number}", "value")])
    line.response().start_response("200 OK", [("X-New", "value"), *LENGTH_5])
    assert "X-New" in response._names
    assert 1 < len(response._names) <= 256
    assert max(map(len, response._names)) <= 64
    assert "Content-Length" in response._names
    assert not response._names & {"content-length", "upgrade", "Upgrade"}


def test_date_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for now in (time.time(), 1_800_000_000.9, 1_800_000_001.0):
        monkeypatch.setattr(response, "time", lambda now=now: now)
        for _ in range(2):
            assert parsedate_to_datetime(response._date()).timestamp() == int(now)
