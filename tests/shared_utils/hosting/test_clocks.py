"""What a thread computes is seen by others."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from time import thread_time

import pytest

from shared_utils.hosting import clocks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


class Shown:
    """A thread that is shown, and computes when it is told to."""

    def __init__(self) -> None:
        self._go, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self._ends = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._done.acquire()
        assert self._thread.ident is not None
        self.ident = self._thread.ident

    def compute(self) -> None:
        self._go.release()
        self._done.acquire()

    def end(self) -> None:
        self._ends = True
        self._go.release()
        self._thread.join()

    def _run(self) -> None:
        clocks.show()
        self._done.release()
        while self._go.acquire() and not self._ends:
            until = thread_time() + 0.02
            while thread_time() < until:
                pass
            self._done.release()


@pytest.fixture
def shown() -> Iterator[Shown]:
    made = Shown()
    yield made
    made.end()


def test_the_clock_of_another_thread_goes_on_while_it_computes(shown: Shown) -> None:
    before = clocks.cpu_seconds(shown.ident)
    assert before is not None
    shown.compute()
    after = clocks.cpu_seconds(shown.ident)
    assert after is not None
    assert after - before >= 0.02


def test_it_stands_still_while_that_one_waits(shown: Shown) -> None:
    until = thread_time() + 0.02
    shown.compute()
    # It may be a few steps before it waits again.
    before = clocks.cpu_seconds(shown.ident)
    while thread_time() < until:
        pass
    after = clocks.cpu_seconds(shown.ident)
    assert before is not None
    assert after is not None
    assert after - before < 0.01


def test_nothing_is_known_of_a_thread_that_was_not_shown() -> None:
    assert clocks.cpu_seconds(threading.get_ident()) is None


def test_nothing_is_known_of_a_thread_that_has_ended(
    eventually: Callable[[Callable[[], bool]], None],
) -> None:
    shown = Shown()
    shown.end()
    eventually(lambda: clocks.cpu_seconds(shown.ident) is None)  # the system takes a moment
