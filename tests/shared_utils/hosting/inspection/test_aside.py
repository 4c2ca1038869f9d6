from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from shared_utils.hosting.inspection import aside
from shared_utils.hosting.inspection.aside import Aside


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    monkeypatch.setattr(aside, "PATIENCE", 0.01)
    event = threading.Event()
    yield event
    event.set()


def test_what_comes_back_is_told() -> None:
    assert Aside().call("shop", lambda: "this") == "this"


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_what_is_raised_comes_to_nothing(error: type[BaseException]) -> None:
    def fails() -> None:
        raise error

    assert Aside().call("shop", fails) is None


def test_what_hangs_is_left_behind_and_not_begun_without_end(go_on: threading.Event) -> None:
    calls, begun = Aside(), threading.Semaphore(0)

    def hangs() -> None:
        begun.release()
        go_on.wait()

    for _ in range(20):
        assert calls.call("shop", hangs) is None
    named = [t for t in threading.enumerate() if t.name == "rowhouse-inspection-aside"]
    assert len(named) == aside.MOST
    aside.PATIENCE = 60.0
    assert calls.call("neighbour", lambda: "this") == "this"
    for _ in range(aside.MOST):
        begun.acquire()
    go_on.set()
    for thread in list(calls._threads["shop"]):
        thread.join()
    assert calls.call("shop", lambda: "back") == "back"
