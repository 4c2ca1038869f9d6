"""gunicorn's arbiter as the host has it, where the system has no room for one more process."""

from __future__ import annotations

import errno
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from shared_utils.hosting import handover, marks

UMASK = 0o27


class Log(logging.Logger):
    """gunicorn's logger, which sets up nothing."""

    def __init__(self, cfg: object) -> None:
        super().__init__("of a test")


class Application(BaseApplication):
    def load_config(self) -> None:
        self.cfg.set("logger_class", Log)
        self.cfg.set("workers", 2)
        self.cfg.set("umask", 0o77)
        self.cfg.set("pre_fork", about_to_fork)


def about_to_fork(arbiter: Any, worker: Any) -> None:
    marks.give(worker)
    arbiter.unborn = worker
    arbiter.were_unborn.append(worker)


@pytest.fixture
def arbiter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An arbiter that does not run, in a process that has a umask of its own."""
    monkeypatch.setenv("SERVER_SOFTWARE", "")  # it sets that
    made: Any = Arbiter(Application())
    made.pid, made.WORKERS, made.were_unborn = os.getpid(), {}, []
    handover.install(made)
    before = os.umask(UMASK)
    yield made
    os.umask(before)


class NoRoom:
    """What raises as the system does that has no room, and counts how often."""

    def __init__(self, number: int) -> None:
        self.number, self.calls = number, 0

    def __call__(self, *_: object, **__: object) -> NoReturn:
        self.calls += 1
        raise OSError(self.number, os.strerror(self.number))


@pytest.fixture
def no_fork(monkeypatch: pytest.MonkeyPatch) -> NoRoom:
    made = NoRoom(errno.EAGAIN)
    monkeypatch.setattr(os, "fork", made)
    return made


def open_files() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir() if path.exists()}


def umask() -> int:
    present = os.umask(0o77)
    os.umask(present)
    return present


def test_a_worker_that_cannot_be_forked_leaves_nothing_behind(
    arbiter: Any, no_fork: NoRoom, caplog: pytest.LogCaptureFixture
) -> None:
    before = open_files()
    for _ in range(3):
        assert arbiter.spawn_worker() == 0
        assert (arbiter.unborn, arbiter.WORKERS, umask()) == (None, {}, UMASK)
    assert no_fork.calls == 3
    assert open_files() == before
    assert [worker.boot_mark.closed for worker in arbiter.were_unborn] == [True, True, True]
    assert caplog.messages[0].startswith("no worker can be started, which is tried again: ")


def test_a_worker_that_no_file_can_be_opened_for_leaves_no_umask_behind(
    arbiter: Any, no_fork: NoRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = NoRoom(errno.EMFILE)
    monkeypatch.setattr(tempfile, "mkstemp", full)  # while gunicorn has a umask for that file
    assert arbiter.spawn_worker() == 0
    assert (full.calls, no_fork.calls) == (1, 0)
    assert umask() == UMASK


def test_what_fails_in_a_worker_is_none_of_the_masters(arbiter: Any, no_fork: NoRoom) -> None:
    arbiter.pid = os.getppid()  # as in a child of the master
    with pytest.raises(BlockingIOError):
        arbiter.spawn_worker()
    arbiter.unborn.tmp.close()
    with pytest.raises(BlockingIOError):
        arbiter.reexec()


def test_a_master_that_cannot_be_forked_may_be_asked_for_again(
    arbiter: Any,
    no_fork: NoRoom,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    arbiter.reexec()
    assert (no_fork.calls, arbiter.reexec_pid) == (1, 0)
    assert caplog.messages[0].startswith("no other master can be started: ")
    monkeypatch.setattr(os, "fork", lambda: 4711)
    arbiter.reexec()
    assert arbiter.reexec_pid == 4711


def test_gunicorn_tells_its_figures_and_starts_none_once_more(
    arbiter: Any, no_fork: NoRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(arbiter.log, "debug", lambda *_, extra: told.append(extra))
    arbiter.manage_workers()
    assert no_fork.calls == 2  # one for each that is wanted
    assert told[0] == {"metric": "gunicorn.workers", "value": 0, "mtype": "gauge"}
    arbiter.manage_workers()
    assert no_fork.calls == 4
