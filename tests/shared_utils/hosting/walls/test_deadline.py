from __future__ import annotations

import ctypes
import io
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from shared_utils.hosting.settings.mounts import Mount
from shared_utils.hosting.walls import deadline
from shared_utils.hosting.walls.bulkhead import Load
from shared_utils.hosting.walls.deadline import Clock, DeadlineExceeded, Watchdog

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from tests.shared_utils.hosting.walls.conftest import Wall

NOTHING = Load(running=0, parked=0, threads=0)
SHORT = 0.05
Eventually = Callable[[Callable[[], bool]], None]


def spin() -> None:
    while True:
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
    message = record.getMessage()
    assert message.startswith("POST /trades/a%0Ab of trades has taken longer than 0.05 s.")
    assert message.splitlines()[-2].endswith("in spin")
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
    over = threading.Event()

    def streams(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"one"
        for _ in range(20):
            over.wait(SHORT / 5)
        yield b"two"

    assert wall(deadline=SHORT).serve(streams).body == b"onetwo"


def test_time_that_the_client_takes_does_not_count(wall: Callable[..., Wall]) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            threading.Event().wait(SHORT * 6)
            return super().read(size)

    def reads(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        content = environ["wsgi.input"].read()
        for _ in range(1000):
            pass  # where an interrupt that came meanwhile would land
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [content]

    given = {"wsgi.input": Slow(b"sent"), "CONTENT_LENGTH": "4"}
    server = wall(deadline=SHORT * 2).serve(reads, method="POST", environ_overrides=given)
    assert (server.status, server.body) == (200, b"sent")


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
        for _ in range(10):
            threading.Event().wait(SHORT)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"done"]

    assert wall(debug=True, deadline=SHORT).serve(slow).body == b"done"


def test_no_interrupt_comes_after_the_clock_stands_still() -> None:
    """Requests that end about when their deadline does; no interrupt lands after its request."""
    watchdog = Watchdog()
    mount = Mount(name="trades", prefix="/trades", target="x:y", title="Trades")
    environ = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/"}
    outcomes = {"ended": 0, "interrupted": 0}
    stop = threading.Event()

    def check() -> None:
        while not stop.is_set():
            for clock in list(watchdog._clocks):
                clock.check()

    def work(steps: int) -> None:
        for _ in range(steps):
            pass

    checker = threading.Thread(target=check, daemon=True)
    checker.start()
    try:
        for number in range(200):
            clock = Clock(mount, environ, 0.001)
            watchdog._clocks.add(clock)
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
            watchdog.forget(clock)
            for _ in range(50):
                pass  # outside of any request: here none may come
    finally:
        stop.set()
        checker.join(20)
    assert all(outcomes.values()), outcomes


def test_a_clock_that_is_forgotten_has_no_limit(wall: Callable[..., Wall]) -> None:
    """The watchdog may have it on its list still."""
    server, watchdog = wall(), Watchdog()
    clock = Clock(server.mount, {}, 1e-9)
    watchdog.watch(clock)
    watchdog.forget(clock)
    clock.resume()
    clock.check()
    clock.pause()
    assert not clock.exceeded


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
    failing: Any = Clock(server.mount, {}, 1)
    failing.check = lambda: int("x")
    server.walls.watchdog.watch(failing)
    assert server.serve(spinning).status == 504
    eventually(lambda: "the watchdog stumbled" in caplog.text)
    server.walls.watchdog.forget(failing)
