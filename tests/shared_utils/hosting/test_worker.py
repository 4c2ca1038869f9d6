"""What the worker asks of its system, and how it takes connections."""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config

from shared_utils.hosting.worker import MOST_UNSENT, Worker, prepare
from tests.running import REPOSITORY, clean_environment


@pytest.mark.parametrize(
    ("soft", "hard", "room"),
    [(64, 4096, 256), (64, 100, 100), (512, 4096, 256)],
    ids=["raised", "as far as it goes", "left alone"],
)
def test_as_many_files_as_may_be_open(soft: int, hard: int, room: int) -> None:
    code = f"""
        from resource import RLIMIT_NOFILE, getrlimit, setrlimit
        from shared_utils.hosting.worker import open_files

        setrlimit(RLIMIT_NOFILE, ({soft}, {hard}))
        print(open_files(256), getrlimit(RLIMIT_NOFILE)[0])
    """
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.split() == [str(room), str(max(soft, room))]


def test_connections_send_at_once_and_little_ahead() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        contextlib.ExitStack() as opened,
    ):
        prepare(listener)
        opened.enter_context(socket.create_connection(listener.getsockname()))
        conn = opened.enter_context(listener.accept()[0])
        assert conn.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        if sys.platform == "linux":
            unsent = conn.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
            assert unsent == MOST_UNSENT


def test_a_unix_socket_is_left_as_it_is(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        prepare(listener)


@pytest.mark.parametrize(
    ("are_waiting", "room", "taken"),
    [(True, 1000, [16, 32, 40, 40]), (True, 20, [16, 20]), (False, 1000, [1, 2])],
    ids=["while it naps in between", "up to its room", "while it does not"],
)
def test_new_connections_are_taken(are_waiting: bool, room: int, taken: list[int]) -> None:
    app: Any = None
    worker = Worker(0, os.getpid(), [], app, 30, Config(), logging.getLogger())
    worker.worker_connections = room
    worker._pool = SimpleNamespace(are_waiting=are_waiting)  # type: ignore[assignment]
    with (
        socket.create_server(("127.0.0.1", 0), backlog=64) as listener,
        selectors.DefaultSelector() as poller,
        contextlib.ExitStack() as opened,
    ):
        worker.poller = poller
        listener.setblocking(False)
        for _ in range(40):
            opened.enter_context(socket.create_connection(listener.getsockname()))
        counts = []
        for _ in taken:
            worker.accept(listener)
            counts.append(worker.nr_conns)
        for conn in list(worker._waiting):
            worker._end_wait(worker._waiting, conn)
            worker._close(conn)
    worker.tmp.close()
    assert counts == taken
    assert worker.nr_conns == 0
