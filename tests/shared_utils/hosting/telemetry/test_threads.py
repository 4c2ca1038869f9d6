from __future__ import annotations

import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from shared_utils.hosting.telemetry import threads
from shared_utils.logging import app_name, request_id, trace_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Seen = tuple[str, str, str]
WITHIN = ("abcdef12", "trades", "00-trace")
OUTSIDE = ("", "", "")


def here() -> Seen:
    return request_id.get(), app_name.get(), trace_parent.get()


@pytest.fixture(autouse=True)
def carrying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", threading.Thread.start)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", ThreadPoolExecutor.submit)
    threads.carry()
    threads.carry()


@pytest.fixture
def within() -> Iterator[None]:
    variables = (request_id, app_name, trace_parent)
    tokens = [variable.set(value) for variable, value in zip(variables, WITHIN, strict=True)]
    yield
    for variable, token in zip(variables, tokens, strict=True):
        variable.reset(token)


def in_thread(make: Callable[[Callable[[], None]], threading.Thread]) -> Seen:
    seen: list[Seen] = []
    thread = make(lambda: seen.append(here()))
    thread.start()
    thread.join()
    return seen[0]


class Running(threading.Thread):
    """A thread that is made by inheritance."""

    def __init__(self, see: Callable[[], None]) -> None:
        super().__init__()
        self.see = see

    def run(self) -> None:
        self.see()


MADE: dict[str, Callable[[Callable[[], None]], threading.Thread]] = {
    "target": lambda see: threading.Thread(target=see),
    "subclass": Running,
    "timer": lambda see: threading.Timer(0, see),
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_threads_of_a_request(
    within: None, make: Callable[[Callable[[], None]], threading.Thread]
) -> None:
    assert in_thread(make) == WITHIN


def test_threads_of_threads_of_a_request(within: None) -> None:
    def nested(see: Callable[[], None]) -> threading.Thread:
        def start() -> None:
            inner = threading.Thread(target=see)
            inner.start()
            inner.join()

        return threading.Thread(target=start)

    assert in_thread(nested) == WITHIN


def test_threads_outside_of_one() -> None:
    assert in_thread(MADE["target"]) == OUTSIDE


def test_nothing_else_is_carried(within: None) -> None:
    apps_own: contextvars.ContextVar[str] = contextvars.ContextVar("apps_own", default="none")
    apps_own.set("the request's")
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(apps_own.get()))
    thread.start()
    thread.join()
    assert seen == [contextvars.Context().run(apps_own.get)]


def test_threads_of_a_pool_serve_one_request_after_the_other(within: None) -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(here).result() == WITHIN
        request_id.set("another1")
        assert pool.submit(here).result() == ("another1", *WITHIN[1:])
        assert list(pool.map(lambda _: here(), range(2))) == [("another1", *WITHIN[1:])] * 2
        for variable in (request_id, app_name, trace_parent):
            variable.set("")
        assert pool.submit(here).result() == OUTSIDE
        assert pool.submit(int, "12", base=8).result() == 10
        with pytest.raises(ValueError, match="invalid literal"):
            pool.submit(int, "x").result()


def test_a_pool_that_is_shut_down_says_so(within: None) -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError):
        pool.submit(here)


@pytest.mark.usefixtures("within")
def test_a_thread_that_starts_at_the_second_try(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    seen: list[Seen] = []
    thread = threading.Thread(target=lambda: seen.append(here()))
    with monkeypatch.context() as full:
        full.setattr(threading, "_start_new_thread", refused)
        with pytest.raises(RuntimeError):
            thread.start()
    thread.start()
    thread.join()
    assert seen == [WITHIN]
