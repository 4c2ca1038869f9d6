from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from shared_utils.hosting.inspection.listening import Listener
from shared_utils.operations import asking


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Any]:
    """Ask a listener in this process that answers what it was asked."""

    def answer(question: Mapping[str, Any]) -> Mapping[str, Any]:
        if question.get("fail"):
            raise question["fail"] and SystemExit("an app's finalizer")
        if question.get("unwritable"):
            return {"x": object()}
        if size := question.get("size"):
            return {"x": "x" * size}
        return {"asked": question}

    Listener(tmp_path, answer, lambda: 3600.0).start()

    def ask(patience: float = 20.0, **question: Any) -> Any:
        return asking.ask(tmp_path, question, patience=patience).get(os.getpid())

    return ask


def test_it_answers_one_after_another(ask: Callable[..., Any]) -> None:
    for number in range(20):
        assert ask(number=number) == {"asked": {"number": number}}


def test_many_at_once_are_answered(ask: Callable[..., Any]) -> None:
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(x=1))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [{"asked": {"x": 1}}] * 8


@pytest.mark.parametrize(
    "sent", [b"nonsense\n", b"[1]\n", b"x" * 100_000, b"\xff\xfe\n", b""], ids=repr
)
def test_nonsense_does_not_end_it(ask: Callable[..., Any], tmp_path: Path, sent: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        with asking.short(tmp_path / f"{os.getpid()}.sock") as address:
            connection.connect(address)
        connection.settimeout(20)
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100) == b""
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert ask(x=1) == {"asked": {"x": 1}}


def test_an_answer_that_is_too_long_is_not_sent(ask: Callable[..., Any]) -> None:
    assert ask(size=asking.LONGEST_ANSWER + 1) is None
    assert ask(x=1) == {"asked": {"x": 1}}


@pytest.mark.parametrize("question", [{"fail": True}, {"unwritable": True}])
def test_whatever_an_answer_raises_does_not_end_it(
    ask: Callable[..., Any], caplog: pytest.LogCaptureFixture, question: dict[str, Any]
) -> None:
    assert ask(**question) is None
    assert ask(x=1) == {"asked": {"x": 1}}


def test_where_it_cannot_listen_the_worker_serves_on(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    Listener(tmp_path / "file", lambda question: {}, lambda: 3600.0).start()


def test_it_ticks_in_between_and_a_tick_that_fails_ends_nothing(tmp_path: Path) -> None:
    ticked = threading.Event()
    ticks: list[int] = []

    def tick() -> float:
        ticks.append(1)
        if len(ticks) == 3:
            ticked.set()
            return 3600.0
        return 0.001

    Listener(tmp_path, lambda question: {}, tick).start()
    assert ticked.wait(20)
