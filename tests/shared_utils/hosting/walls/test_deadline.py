from __future__ import annotations

import contextvars
import ctypes
import gc
import io
import logging
import math
import os
import socket
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from shared_utils.hosting.settings.mounts import Mount
from shared_utils.hosting.walls import deadline
from shared_utils.hosting.walls.bulkhead import Load
from shared_utils.hosting.walls.deadline import Clock, DeadlineExceeded, Terms, Watchdog

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from tests.shared_utils.hosting.walls.conftest import Wall

NOTHING = Load(running=0, parked=0, threads=0)
SHORT = 0.05
Eventually = Callable[[Callable[[], bool]], None]


def spin(seconds: float = math.inf) -> None:
    """Take time where an interrupt would land."""
    until = monotonic() + seconds
    while monotonic() < until:
        pass


def spinning(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    spin()
    return []


def test_an_app_that_takes_too_long_is_ended_with_504(
    wall: Callable[..., Wall], eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    server = wall(deadline=SHORT).serve(
        spinning,
        method="POST",
        headers={"X-Request-Id": "0123456789"},
        environ_overrides={"PATH_INFO": "/a\nb"},
    )
    assert (server.status, server.load) == (504, NOTHING)
    assert b"took too long" in server.body
    eventually(lambda: bool(caplog.records))
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    # On a busy machine the first try may come too late within its turn.
    message = record.getMessage().replace(", and is not interrupted yet", "")
    assert message.startswith("POST /trades/a%0Ab of trades has taken longer than 0.05 s.")
    assert "in spin" in message.splitlines()[-2]
    assert "barrier.py" not in message
    assert record.__dict__["request_id"] == "0123456789"


def test_a_response_that_has_begun_is_cut(wall: Callable[..., Wall]) -> None:
    def streams(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"one"
        spin()

    server = wall(deadline=0, stream_deadline=SHORT).serve(streams)
    assert (server.status, server.sent) == (200, [b"one"])
    assert isinstance(server.raised, ConnectionResetError)
    assert server.load == NOTHING


def test_a_stream_may_take_longer_than_the_first_byte(wall: Callable[..., Wall]) -> None:
    """The clock for the first byte stands once it is there: nothing ends what comes after."""

    def streams(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"one"
        spin(SHORT * 6)
        yield b"two"

    assert wall(deadline=SHORT).serve(streams).body == b"onetwo"


def test_time_that_the_client_takes_does_not_count(wall: Callable[..., Wall]) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            spin(SHORT * 6)
            return super().read(size)

    def reads(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        content = environ["wsgi.input"].read()
        for _ in range(1000):
            pass  # where one that came meanwhile would land
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [content]

    given = {"wsgi.input": Slow(b"sent"), "CONTENT_LENGTH": "4"}
    server = wall(deadline=SHORT * 2).serve(reads, method="POST", environ_overrides=given)
    assert (server.status, server.body) == (200, b"sent")


def test_time_in_which_the_server_writes_does_not_count(wall: Callable[..., Wall]) -> None:
    server = wall(deadline=SHORT * 2)

    class Slow(list[bytes]):
        def append(self, chunk: bytes) -> None:
            spin(SHORT * 6)
            super().append(chunk)

    def writes(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        server.sent = Slow()
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"one")
        return [b"two"]

    assert server.serve(writes).body == b"onetwo"


def test_the_rest_of_a_response_has_time_of_its_own(wall: Callable[..., Wall]) -> None:
    clock = Clock(Terms(wall().mount, Watchdog(), 1e-9), {})
    clock.resume()
    clock.pause()
    clock.restart(60)
    clock.resume()
    clock.check()
    clock.pause()
    assert not clock.exceeded


def test_an_app_that_goes_on_regardless_is_interrupted_again(
    wall: Callable[..., Wall], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "AGAIN", 0.05)
    caught: list[int] = []

    def stubborn(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        while len(caught) < 2:
            try:
                spin()
            except BaseException:
                caught.append(1)
        spin()
        return []

    assert wall(deadline=SHORT).serve(stubborn).status == 504
    assert caught == [1, 1]


def test_in_debug_there_are_no_deadlines(wall: Callable[..., Wall]) -> None:
    def slow(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        spin(SHORT * 6)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"done"]

    assert wall(debug=True, deadline=SHORT).serve(slow).body == b"done"


def test_no_interrupt_comes_after_the_clock_stands_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Requests that end about when their deadline does; no interrupt lands after its request."""
    monkeypatch.setattr(deadline, "WALLS", __file__)  # this test is the wall around its work
    watchdog = Watchdog()
    mount = Mount(name="trades", prefix="/trades", target="x:y", title="Trades")
    environ = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/"}
    outcomes = {"ended": 0, "interrupted": 0}
    stop = threading.Event()

    def check() -> None:
        while not stop.is_set():
            watchdog._look()

    def work(steps: int) -> None:
        for _ in range(steps):
            pass

    checker = threading.Thread(target=check, daemon=True)
    checker.start()
    try:
        for number in range(200):
            clock = Clock(Terms(mount, watchdog, 0.001), environ)
            try:
                clock.resume()
                work(number % 40 * 20_000)
                clock.pause()
                outcomes["ended"] += 1
            except DeadlineExceeded:
                try:
                    clock.pause()
                except DeadlineExceeded:
                    pytest.fail("it came twice")
                outcomes["interrupted"] += 1
            for _ in range(50):
                pass  # outside of any request: here none may come
    finally:
        stop.set()
        checker.join(20)
    assert all(outcomes.values()), outcomes


@pytest.mark.parametrize("fails", [True, False])
def test_what_is_blocked_in_a_call_of_the_standard_library_is_left_alone(
    wall: Callable[..., Wall], fails: bool, caplog: pytest.LogCaptureFixture, eventually: Eventually
) -> None:
    """A log handler that waits in C, and fails after the deadline, gives its lock back."""
    ours, theirs = socket.socketpair()

    class Waiting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            ours.recv(1)
            if fails:
                raise OSError

    handler = Waiting()
    logger = logging.Logger("waiting")
    logger.addHandler(handler)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        logger.error("x")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"done"]

    server = wall(deadline=SHORT)
    thread = threading.Thread(target=server.serve, args=[app])
    with ours, theirs:
        thread.start()
        eventually(lambda: "is not interrupted yet" in caplog.text)
        theirs.send(b"x")
        thread.join(20)
    assert handler.lock is not None
    assert handler.lock.acquire(blocking=False)
    assert server.load == NOTHING


def test_what_an_app_leaves_in_context_variables_is_gone_with_its_request(
    wall: Callable[..., Wall],
) -> None:
    left: contextvars.ContextVar[str] = contextvars.ContextVar("left", default="")

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        before = left.get()
        left.set("mine")
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield before.encode()
        yield left.get().encode()

    server = wall()
    assert [server.serve(app).body for _ in range(2)] == [b"mine", b"mine"]


def test_a_response_may_be_iterated_by_another_thread(wall: Callable[..., Wall]) -> None:
    """It is that one which is interrupted then, and not the one that called the app."""

    def late(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        spin()
        yield b""

    server = wall(deadline=SHORT)
    response = server.begin(late)
    thread = threading.Thread(target=lambda: (list(response), response.close()))  # type: ignore[attr-defined]
    thread.start()
    while thread.is_alive():  # an interrupt of this thread would end the test
        pass
    assert server.status == 504


@pytest.mark.parametrize("error", [RuntimeError, SystemExit])
def test_what_an_app_makes_of_the_interrupt_is_a_504_all_the_same(
    wall: Callable[..., Wall], error: type[BaseException]
) -> None:
    def wraps(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            spin()
        except BaseException as interrupted:
            raise error from interrupted
        return []

    assert wall(deadline=SHORT).serve(wraps).status == 504


def test_a_response_that_nobody_closes_is_not_kept(wall: Callable[..., Wall]) -> None:
    server = wall()
    response = weakref.ref(server.begin(lambda environ, start_response: [b"x"]))
    gc.collect()
    assert response() is None
    assert server.walls.watchdog.running == {}


def test_a_body_that_is_read_after_its_request_is_not_on_the_clock(
    wall: Callable[..., Wall],
) -> None:
    kept: list[Any] = []

    def keeps(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        kept.append(environ["wsgi.input"])
        spin()
        return []

    given = {"wsgi.input": io.BytesIO(b"sent"), "CONTENT_LENGTH": "4"}
    server = wall(deadline=SHORT)
    assert server.serve(keeps, method="POST", environ_overrides=given).status == 504
    assert kept[0].read(4) == b"sent"
    assert server.walls.watchdog.running == {}


def test_a_thread_that_is_back_is_not_counted_whatever_the_app_has_done_meanwhile(
    wall: Callable[..., Wall], eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread of the app begins the response: its clock starts anew."""
    monkeypatch.setattr(deadline, "STUCK_AFTER", 0.05)
    reports: list[int] = []
    go = threading.Event()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def begin() -> None:
            go.wait(20)
            write(b"one")

        write = start_response("200 OK", [("Content-Type", "text/plain")])
        other = threading.Thread(target=begin)
        other.start()
        other.join(20)
        return []

    server = wall(deadline=SHORT, stream_deadline=60)
    server.walls.watchdog.call_when_stuck(reports.append)
    thread = threading.Thread(target=server.serve, args=[app])
    thread.start()
    eventually(lambda: reports == [1])
    go.set()
    thread.join(20)
    assert reports == [1, 0]
    assert server.walls.watchdog.running == {}


def test_a_watchdog_that_hangs_is_replaced(
    wall: Callable[..., Wall], monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setattr(deadline, "LOST_AFTER", 0.05)
    server, forever = wall(deadline=SHORT), threading.Event()
    hangs: Any = Clock(Terms(server.mount, server.walls.watchdog, 1e-9), {})
    hung: list[int] = []

    def hang() -> None:
        if not hung:
            hung.append(1)
            forever.wait()

    hangs.check = hang
    hangs.resume()
    eventually(lambda: bool(hung))
    threading.Event().wait(0.1)
    assert server.serve(spinning).status == 504
    hangs.pause()
    forever.set()


def test_a_thread_that_is_blocked_in_c_is_reported_and_taken_back(
    wall: Callable[..., Wall], eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "STUCK_AFTER", 0.05)
    reading, writing = os.pipe()

    def blocked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        ctypes.CDLL(None).read(reading, ctypes.create_string_buffer(1), 1)
        return []

    server = wall(deadline=SHORT)
    reports: list[int] = []
    server.walls.watchdog.call_when_stuck(reports.append)
    thread = threading.Thread(target=server.serve, args=[blocked])
    thread.start()
    eventually(lambda: reports == [1])
    os.write(writing, b"x")
    thread.join(20)
    eventually(lambda: reports == [1, 0])
    assert (server.status, server.load) == (504, NOTHING)
    os.close(reading)
    os.close(writing)


def test_the_watchdog_outlives_what_it_meets(
    wall: Callable[..., Wall], caplog: pytest.LogCaptureFixture, eventually: Eventually
) -> None:
    server = wall(deadline=SHORT)
    failing: Any = Clock(Terms(server.mount, server.walls.watchdog, 1e-9), {})
    failing.check = lambda: int("x")
    failing.resume()
    assert server.serve(spinning).status == 504
    eventually(lambda: "the watchdog stumbled" in caplog.text)
    failing.pause()
