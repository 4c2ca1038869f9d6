"""Asked over real sockets: of those that answer, hang, talk nonsense, or are gone."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared_utils.hosting.inspection.listening import bind
from shared_utils.operations import asking


class Workers:
    """Sockets of workers in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = contextlib.ExitStack()

    def listening(self, pid: int) -> socket.socket:
        return self.stack.enter_context(bind(self.folder, pid))

    def answering(self, pid: int, answer: bytes) -> None:
        listening = self.listening(pid)

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    self.asked = json.loads(connection.recv(9999))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        self.stack.callback(thread.join)


@pytest.fixture(params=["short", "long" * 40], ids=["short", "too long for an address"])
def workers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(tmp_path / request.param)
    with made.stack:
        yield made


def test_every_worker_is_asked_and_answers(workers: Workers) -> None:
    workers.answering(1, b'{"pid": 1}\n')
    workers.answering(2, b'{"pid": 2}\n')
    assert asking.ask(workers.folder, {"ask": "x"}) == {1: {"pid": 1}, 2: {"pid": 2}}
    assert workers.asked == {"ask": "x"}


def test_one_worker_alone_is_asked(workers: Workers) -> None:
    workers.answering(2, b'{"pid": 2}\n')
    hanging = workers.listening(1)
    assert asking.ask(workers.folder, {}, only=2) == {2: {"pid": 2}}
    hanging.settimeout(0)
    with pytest.raises(BlockingIOError):
        hanging.accept()


def test_a_worker_that_hangs_is_not_waited_for(workers: Workers) -> None:
    workers.listening(1)
    workers.listening(3)
    workers.answering(2, b'{"pid": 2}\n')
    assert asking.ask(workers.folder, {}, patience=2.0) == {1: None, 2: {"pid": 2}, 3: None}


@pytest.mark.parametrize("answer", [b"nonsense\n", b"[]\n", b'{"cut": ', b"", b"\xff\n"])
def test_an_answer_that_cannot_be_read_is_none(workers: Workers, answer: bytes) -> None:
    workers.answering(1, answer)
    assert asking.ask(workers.folder, {}) == {1: None}


def test_what_a_dead_worker_has_left_is_taken_away(workers: Workers) -> None:
    workers.listening(1).close()
    (workers.folder / "history.jsonl").touch()
    assert asking.sockets(workers.folder).keys() == {1}
    assert asking.ask(workers.folder, {}) == {}
    assert [path.name for path in workers.folder.iterdir()] == ["history.jsonl"]


def test_nobody_answers_where_there_is_no_folder(tmp_path: Path) -> None:
    assert asking.ask(tmp_path / "none", {}) == {}


def test_only_its_owner_may_use_a_socket(workers: Workers) -> None:
    workers.listening(1)
    assert workers.folder.stat().st_mode & 0o777 == 0o700
    assert (workers.folder / "1.sock").stat().st_mode & 0o777 == 0o600


def test_a_line_without_an_end_is_given_up(tmp_path: Path) -> None:
    def read(longest: int) -> Any:
        one, other = socket.socketpair()
        with one, other:
            other.sendall(b"x" * 1000)
            return asking.line_from(one, time.monotonic() + 0.2, longest)

    for longest in (100, 10_000):
        with pytest.raises((asking.NoAnswerError, TimeoutError)):
            read(longest)
