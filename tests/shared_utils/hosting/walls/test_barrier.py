from __future__ import annotations

import contextlib
import gc
import io
import logging
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.util import FileWrapper

import pytest

from shared_utils.hosting.walls.bulkhead import Load
from tests.shared_utils.hosting.walls.apps import (
    NOTHING,
    TEXT,
    Body,
    answering,
    is_replaced,
    raised,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tests.shared_utils.hosting.walls.conftest import Wall


class Unspeakable(BaseException):
    def __str__(self) -> str:
        raise SystemExit(3)


def deep(n: int = 0) -> int:
    return deep(n + 1) + 1


FAILURES: dict[str, Callable[[], object]] = {
    "ValueError": lambda: int("x"),
    "SystemExit": lambda: sys.exit(3),
    "KeyboardInterrupt": lambda: raised(KeyboardInterrupt()),
    "GeneratorExit": lambda: raised(GeneratorExit()),
    "StopIteration": lambda: raised(StopIteration()),
    "MemoryError": lambda: raised(MemoryError()),
    "RecursionError": deep,
    "Unspeakable": lambda: raised(Unspeakable()),
}
failures = pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)


@failures
@pytest.mark.parametrize("starts", [0, 1])
def test_what_an_app_raises_when_it_is_called_is_a_500(
    wall: Callable[..., Wall],
    failure: Callable[[], object],
    starts: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        if starts:
            start_response("200 OK", [("X-Secret", "1")])
        return failure()

    if failure is FAILURES["StopIteration"] and not starts:
        pytest.skip("is how WebSockets end")
    server = wall().serve(app)
    assert is_replaced(server)
    assert [load.running for load in server.loads] == [0]
    assert server.walls.watchdog.running == {}
    assert "X-Secret" not in server.starts[0][1]
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("GET /trades/: trades failed: ")
    assert "Traceback" in record.getMessage()


@failures
def test_what_is_raised_before_the_first_chunk_is_a_500(
    wall: Callable[..., Wall], failure: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    if failure is FAILURES["StopIteration"]:
        pytest.skip("is the end of the body")
    closed: list[int] = []
    body = Body(failure, close=lambda: closed.append(1))
    server = wall().serve(answering(body, headers=[("Set-Cookie", "a=1")]))
    assert is_replaced(server)
    assert "Set-Cookie" not in server.starts[0][1]
    assert closed == [1]
    assert len(caplog.records) == 1


@failures
def test_what_is_raised_after_that_cuts_the_response(
    wall: Callable[..., Wall], failure: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    if failure is FAILURES["StopIteration"]:
        pytest.skip("is the end of the body")
    server = wall().serve(answering(Body(b"one", failure, b"two")))
    assert (server.status, server.sent) == (200, [b"one"])
    assert isinstance(server.raised, ConnectionResetError)
    assert server.load == NOTHING
    assert "Traceback" in caplog.text


@failures
def test_what_close_raises_is_logged_and_the_response_stands(
    wall: Callable[..., Wall], failure: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    server = wall().serve(answering(Body(b"one", close=failure)))
    assert (server.status, server.body, server.raised) == (200, b"one", None)
    assert server.load == NOTHING
    assert "trades failed in close(); its response stands" in caplog.text


@pytest.mark.parametrize(
    ("app", "said"),
    [
        pytest.param(lambda *_: [b"x"], "did not call start_response", id="no start_response"),
        pytest.param(lambda *_: [], "did not call start_response", id="nothing at all"),
        pytest.param(answering(None), "it returned None", id="None"),
        pytest.param(answering(7), "it returned an int", id="an int"),
        pytest.param(answering(["text"]), "its body is made of a str", id="text"),
        pytest.param(answering("text"), "its body is made of a str", id="one text"),
        pytest.param(answering(b"bytes"), "its body is made of an int", id="bare bytes"),
        pytest.param(answering([None]), "its body is made of None", id="chunk None"),
        pytest.param(answering([bytearray(b"x")]), "made of a bytearray", id="bytearray"),
        pytest.param(answering([b""], starts=2), "called start_response twice", id="twice"),
        pytest.param(answering([b""], status=200), "its status is 200", id="status number"),
        pytest.param(answering([b""], status="OK"), "its status is 'OK'", id="status text"),
        pytest.param(answering([b""], status="200 OK\r\nA: b"), "its status is", id="status lines"),
        pytest.param(answering([b""], status=b"200 OK"), "its status is b'200", id="status bytes"),
        pytest.param(answering([b""], headers=[("A\n", "x")]), "header 'A\\n'", id="name"),
        pytest.param(answering([b""], headers=[("A", "x\r\nB: y")]), "header 'A'", id="value"),
        pytest.param(answering([b""], headers=[("A", "x\nB: y")]), "header 'A'", id="new line"),
        pytest.param(answering([b""], headers=[("A:x\nB", "y")]), "header 'A:x", id="in a name"),
        pytest.param(answering([b""], headers=[("A", "\u20ac")]), "header 'A'", id="euro"),
        pytest.param(answering([b""], headers=[(b"A", b"x")]), "has a tuple for", id="bytes"),
        pytest.param(answering([b""], headers=[("A", "b", "c")]), "has a tuple for", id="three"),
        pytest.param(answering([b""], headers=["ABC"]), "has a str for a header", id="no tuple"),
        pytest.param(answering([b""], headers=[("A", 1)]), "has a tuple for", id="number"),
        pytest.param(answering([b""], headers=None), "NoneType", id="no headers"),
        pytest.param(
            answering([b""], headers=[("Content-Length", "x")]), "is 'x'; write a", id="length"
        ),
        pytest.param(
            answering([b"x"], headers=[("Content-Length", "1"), ("content-length", "2")]),
            "its Content-Length is both 1 and 2",
            id="lengths",
        ),
    ],
)
def test_an_app_that_breaks_wsgi_is_told_what_it_did(
    wall: Callable[..., Wall], app: WSGIApplication, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert is_replaced(wall().serve(app))
    [record] = caplog.records
    assert said in record.getMessage()


def test_an_app_whose_response_fails_to_be_iterated_is_told_of_its_own_error(
    wall: Callable[..., Wall], caplog: pytest.LogCaptureFixture
) -> None:
    class Failing:
        def __iter__(self) -> Iterator[bytes]:
            raise TypeError("of its own")

    assert is_replaced(wall().serve(answering(Failing())))
    [record] = caplog.records
    assert "TypeError: of its own" in record.getMessage()


def test_a_value_that_no_header_may_have_is_not_logged(
    wall: Callable[..., Wall], caplog: pytest.LogCaptureFixture
) -> None:
    wall().serve(answering([b""], headers=[("Set-Cookie", "password\n")]))
    assert "Set-Cookie" in caplog.text
    assert "password" not in caplog.text


def test_an_empty_chunk_is_no_beginning(wall: Callable[..., Wall]) -> None:
    assert is_replaced(wall().serve(answering(Body(b"", b"", FAILURES["ValueError"]))))
    server = wall().serve(answering(Body(b"", b"one", b"", b"two", b"")))
    assert (server.status, server.body) == (200, b"onetwo")


def test_headers_that_an_app_changes_later_stay_as_they_were(wall: Callable[..., Wall]) -> None:
    length = ["Content-Length", "1"]

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        headers: Any = [length]
        start_response("200 OK", headers)
        length[1] = "2000"
        headers.append(("X-Late", "1"))
        return [b"x"]

    assert wall().serve(app).starts == [("200 OK", {"Content-Length": "1"})]


def test_headers_may_come_in_pairs_of_any_kind(wall: Callable[..., Wall]) -> None:
    server = wall().serve(answering([b"x"], headers=iter([["X-One", "1"], ("X-Two", "2")])))
    assert server.starts == [("200 OK", {"X-One": "1", "X-Two": "2"})]


def test_an_app_that_has_dealt_with_the_connection_says_so_to_the_server(
    wall: Callable[..., Wall], caplog: pytest.LogCaptureFixture
) -> None:
    """flask-sock and others end a WebSocket under gunicorn so."""
    server = wall().serve(lambda *_: raised(StopIteration()))  # type: ignore[arg-type]
    assert isinstance(server.raised, StopIteration)
    assert (server.starts, server.load, caplog.records) == ([], NOTHING, [])


def test_what_a_response_that_is_dropped_still_does_is_on_the_apps_account(
    wall: Callable[..., Wall],
) -> None:
    server = wall()
    running: list[int] = []

    class Response:
        """As PEP 3333 shows it: a class whose ``__iter__`` is a generator, without ``close``."""

        def __init__(self, environ: WSGIEnvironment, start_response: StartResponse) -> None:
            start_response("200 OK", TEXT)

        def __iter__(self) -> Iterator[bytes]:
            try:
                yield b"one"
                yield b"two"
            finally:
                running.append(server.load.running)

    response: Any = server.begin(Response)
    assert next(iter(response)) == b"one"
    response.close()
    del response
    assert running == [1]
    assert server.load.running == 0


@pytest.mark.parametrize("length", ["", "0", "4"])
def test_who_keeps_a_request_does_not_keep_its_response(
    wall: Callable[..., Wall], length: str
) -> None:
    body = bytes(100)
    kept: list[Any] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        kept.append((environ, start_response))
        start_response("200 OK", [("Content-Length", "100")])
        return [body]

    before = sys.getrefcount(body)
    given = {"CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(b"sent")}
    server = wall().serve(app, method="POST", environ_overrides=given)
    assert server.sent == [body]
    server.sent.clear()
    assert sys.getrefcount(body) == before


def test_no_request_waits_for_a_garbage_collection(wall: Callable[..., Wall]) -> None:
    class App:
        def __init__(self, environ: WSGIEnvironment, start_response: StartResponse) -> None:
            self.start_response = start_response
            alive.append(weakref.ref(self))

        def __iter__(self) -> Iterator[bytes]:
            self.start_response("200 OK", TEXT)
            yield b"x"

    alive: list[weakref.ref[App]] = []
    gc.disable()
    try:
        assert wall().serve(App).status == 200
        assert [known() for known in alive] == [None]
    finally:
        gc.enable()


def test_headers_wait_for_the_first_chunk(wall: Callable[..., Wall]) -> None:
    server = wall()
    response = iter(server.begin(answering(Body(b"one", b"two"))))
    assert server.starts == []
    assert next(response) == b"one"
    assert server.starts == [("200 OK", dict(TEXT))]


def test_an_app_may_start_late_and_replace_its_response(wall: Callable[..., Wall]) -> None:
    def late(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        try:
            int("x")
        except ValueError:
            start_response("400 Bad Request", TEXT, sys.exc_info())
        yield b"said"

    server = wall().serve(late)
    assert (server.status, server.body) == (400, b"said")


def test_it_cannot_replace_what_has_begun(wall: Callable[..., Wall]) -> None:
    def late(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"one"
        try:
            int("x")
        except ValueError:
            start_response("400 Bad Request", TEXT, sys.exc_info())
        yield b"two"

    server = wall().serve(late)
    assert (server.status, server.sent) == (200, [b"one"])
    assert isinstance(server.raised, ConnectionResetError)


def test_write_sends_at_once(wall: Callable[..., Wall]) -> None:
    server = wall()

    def writes(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", [("Content-Length", "6")])
        write(b"one")
        assert server.sent == [b"one"]
        return [b"two"]

    server.serve(writes)
    assert (server.status, server.body, server.raised) == (200, b"onetwo", None)


def test_write_takes_bytes_alone(
    wall: Callable[..., Wall], caplog: pytest.LogCaptureFixture
) -> None:
    def writes(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", TEXT)("text")  # type: ignore[arg-type]
        return []

    assert is_replaced(wall().serve(writes))
    assert "its body is made of a str" in caplog.text
    assert f'File "{__file__}"' in caplog.text


@pytest.mark.parametrize("chunks", [[b"one"], [b"one", FAILURES["ValueError"]], []])
def test_nothing_is_written_to_a_response_that_has_ended(
    wall: Callable[..., Wall], caplog: pytest.LogCaptureFixture, chunks: list[Any]
) -> None:
    """A connection that is kept alive would take it for the beginning of the next response."""
    server = wall()

    def writes(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", TEXT)
        return Body(*chunks, close=lambda: write(b"late"))

    server.serve(writes)
    assert b"late" not in server.sent
    assert "it writes to a response that has ended" in caplog.text
    assert server.load == NOTHING


@pytest.mark.parametrize("then", ["writes", "yields", "ends"])
def test_what_the_server_could_not_send_stays_unsent(
    wall: Callable[..., Wall], caplog: pytest.LogCaptureFixture, then: str
) -> None:
    """Nobody knows how much of it is with the client: what came after it would be out of place."""
    failure = TimeoutError("the client reads nothing")
    server = wall()

    class Full(list[bytes]):
        def append(self, chunk: bytes) -> None:
            if chunk == b"stuck":
                raise failure
            super().append(chunk)

    def swallows(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        server.sent = Full()
        write = start_response("200 OK", TEXT)
        write(b"one")
        with contextlib.suppress(TimeoutError):
            write(b"stuck")
        if then == "writes":
            write(b"two")
        if then == "yields":
            yield b"two"

    server.serve(swallows)
    assert (server.sent, server.raised) == ([b"one"], failure)
    assert server.load == NOTHING
    assert not caplog.records


def test_a_file_is_given_to_the_server_as_it_is(wall: Callable[..., Wall], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    opened: list[Any] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "7")])
        opened.append((tmp_path / "file").open("rb"))
        return environ["wsgi.file_wrapper"](opened[0])  # type: ignore[no-any-return]

    server = wall()
    response = server.begin(app, environ_overrides={"wsgi.file_wrapper": FileWrapper})
    assert type(response) is FileWrapper
    assert server.status == 200
    assert server.load == Load(running=0, parked=0, threads=1)
    response.close()
    response.close()
    assert opened[0].closed
    assert server.load == NOTHING


def test_what_only_looks_like_a_file_is_read_behind_the_barrier(
    wall: Callable[..., Wall],
) -> None:
    class Hostile(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            sys.exit(3)

    server = wall().serve(
        answering(FileWrapper(Hostile(b"x"))),
        environ_overrides={"wsgi.file_wrapper": FileWrapper},
    )
    assert is_replaced(server)


def test_a_temporary_file_is_a_file(wall: Callable[..., Wall]) -> None:
    server = wall()
    with tempfile.NamedTemporaryFile() as file:
        response = server.begin(
            answering(FileWrapper(file)), environ_overrides={"wsgi.file_wrapper": FileWrapper}
        )
        assert type(response) is FileWrapper
        response.close()


def test_what_an_app_does_to_its_environ_does_not_reach_the_server(
    wall: Callable[..., Wall],
) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ.clear()
        raise ValueError

    assert is_replaced(wall().serve(app))


class Disconnected(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise ConnectionResetError


def test_what_the_server_raises_is_its_own_again(
    wall: Callable[..., Wall], caplog: pytest.LogCaptureFixture
) -> None:
    def reads(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.input"].read()
        return []

    server = wall().serve(reads, method="POST", input_stream=Disconnected(b"x"), content_length=1)
    assert isinstance(server.raised, ConnectionResetError)
    assert (server.starts, server.load, caplog.records) == ([], NOTHING, [])


def test_in_debug_errors_are_passed_on_for_the_debugger(wall: Callable[..., Wall]) -> None:
    server = wall(debug=True).serve(answering(Body(FAILURES["ValueError"])))
    assert isinstance(server.raised, ValueError)
    assert server.load == NOTHING
    server.serve(lambda *_: sys.exit(3))
    assert isinstance(server.raised, SystemExit)
    assert server.load == NOTHING


def test_the_page_for_a_person_tells_nothing_of_the_error(wall: Callable[..., Wall]) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        raise ValueError("marker")

    server = wall().serve(app, headers={"Accept": "text/html"})
    assert server.status == 500
    assert b"<h1>" in server.body
    assert b"marker" not in server.body
    assert b"Trades could not answer this request." in server.body


def test_a_head_request_gets_no_body_in_place_of_a_response(wall: Callable[..., Wall]) -> None:
    server = wall().serve(lambda *_: sys.exit(3), method="HEAD")
    assert (server.status, server.body) == (500, b"")


def test_threads_that_end_at_once_give_everything_back(wall: Callable[..., Wall]) -> None:
    server = wall()
    threads = [threading.Thread(target=lambda: server.serve(answering([b"x"]))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.load == NOTHING


def test_what_is_known_of_headers_goes_along(wall: Callable[..., Wall]) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("X-Plain", "1"), *more])
        return [b"x"]

    more: list[tuple[str, str]] = []
    assert wall().serve(app).record.known is None  # they may never come again
    outlines = []
    for _ in range(2):
        served = wall().serve(app)
        assert served.record.known is not None
        headers, *_, outline = served.record.known
        assert served.starts == [("200 OK", dict(headers))]
        outlines.append(outline)
    assert outlines[0] is outlines[1]

    more = [("Set-Cookie", "a=b; Path=/")]  # it leaves with another path, and is another each time
    for _ in range(2):
        assert wall(scoped=lambda headers, _: headers).serve(app).record.known is None


def test_nothing_is_known_of_the_headers_of_a_response_that_is_replaced(
    wall: Callable[..., Wall],
) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("X-Plain", "1")])
        raise ValueError

    for _ in range(3):
        served = wall().serve(app)
        assert served.starts[0][0].startswith("500")
        assert served.record.known is None


def test_an_app_that_starts_while_its_headers_are_scoped_does_not_mix_them(
    wall: Callable[..., Wall],
) -> None:
    """What is known and what is passed on are of the same call."""

    def scoped(headers: Any, script_name: str) -> Any:
        starts[-1]("200 OK", [("X-Plain", "1")], (ValueError, ValueError(), None))
        return headers

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        starts.append(start_response)
        start_response("200 OK", [("X-Plain", "1")])
        start_response("200 OK", [("Set-Cookie", "a=b")], (ValueError, ValueError(), None))  # type: ignore[arg-type]
        return [b"x"]

    starts: list[Any] = []
    for _ in range(3):
        served = wall(scoped=scoped).serve(app)
        assert served.starts == [("200 OK", {"Set-Cookie": "a=b"})]
        assert served.record.known is None
