"""A child that an app forks, and lets out of its code, answers nobody."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from tests.shared_utils.hosting.walls.conftest import Wall

from tests.shared_utils.hosting.walls.apps import TEXT, Closing


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("where", ["the call", "the body", "behind its last byte", "the close"])
def test_a_child_that_the_app_forks_answers_nobody(wall: Callable[..., Wall], where: str) -> None:
    server = wall()
    codes: list[int] = []

    def fork(here: str) -> None:
        if where != here:
            return
        child = os.fork()
        if child == 0:
            server.walls.reset_after_fork()  # as a row does
            sys.exit(7)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    def forks(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        fork("the call")
        start_response("200 OK", [("Content-Length", "6")])
        return Closing(body(), lambda: fork("the close"))

    def body() -> Iterator[bytes]:
        yield b"one"
        fork("the body")
        yield b"two"
        fork("behind its last byte")

    me = os.getpid()
    answer = server.serve(forks)
    if os.getpid() != me:  # or it would go on with this test, and all others
        os._exit(99)
    assert (answer.body, codes) == (b"onetwo", [7])


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_nor_by_what_it_writes(wall: Callable[..., Wall]) -> None:
    server = wall()
    codes: list[int] = []

    def forks(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", TEXT)
        child = os.fork()
        if child == 0:
            server.walls.reset_after_fork()  # as a row does
            write(b"from the child")
            os._exit(99)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        write(b"from the parent")
        return []

    assert (server.serve(forks).body, codes) == (b"from the parent", [0])


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("limit", [0.0, 60.0])
@pytest.mark.parametrize("where", ["the call", "the call, and it reads on", "the body"])
def test_nor_does_one_that_goes_on_as_its_parent(
    wall: Callable[..., Wall], limit: float, where: str
) -> None:
    server = wall(deadline=limit, stream_deadline=limit)
    codes: list[int] = []

    def fork() -> None:
        child = os.fork()
        if child == 0:
            server.walls.reset_after_fork()  # as a row does
        else:
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    def forks(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if where != "the body":
            fork()
        if where == "the call, and it reads on":
            environ["wsgi.input"].read()
        start_response("200 OK", TEXT)
        return body()

    def body() -> Iterator[bytes]:
        yield b"one, "
        if where == "the body":
            fork()
        yield b"two"

    me = os.getpid()
    answer = server.serve(forks, method="POST", data=b"sent")
    if os.getpid() != me:  # or it would go on with this test, and all others
        os._exit(99)
    assert answer.body == b"one, two"
    assert codes == [0]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("code", [0, 7])
def test_a_child_does_not_wait_for_the_watchdog_of_its_parent(
    wall: Callable[..., Wall], code: int
) -> None:
    server = wall(deadline=60)
    codes: list[int] = []

    def forks(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        exchange = start_response.__self__  # type: ignore[attr-defined]
        running = server.walls.watchdog.running
        # As the watchdog has it that is about to interrupt this request.
        exchange._looking = threading.Lock()
        with exchange._looking:
            since = running.pop(exchange)
            child = os.fork()
            if child == 0:
                signal.alarm(30)
                server.walls.reset_after_fork()  # as a row does
                exchange._looking = threading.Lock()
                exchange._looking.acquire()  # here nobody releases it
                if code:
                    raise SystemExit(code)
                return []
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            running[exchange] = since
        start_response("200 OK", TEXT)
        return [b"of the parent"]

    me = os.getpid()
    answer = server.serve(forks)
    if os.getpid() != me:  # or it would go on with this test, and all others
        os._exit(99)
    assert (answer.body, codes) == (b"of the parent", [code])
