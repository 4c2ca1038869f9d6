"""An old worker leaves only when its successor serves: at a reload, and when it is stuck in C."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.running import PATIENCE, Answer, Project, Serve, Server, until

SELF = """
    import os
    from flask import Flask
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        app.add_url_rule("/", "index", lambda: str(os.getpid()))
        return app
"""
"""Says which worker answers."""

HANGS = (
    """
    import pathlib
    import time

    while not pathlib.Path("go").exists():
        time.sleep(0.01)

"""
    + SELF
)
"""Hangs at start until there is a file ``go``."""

STUCK = """
    import ctypes
    import os
    import sys
    from flask import Flask
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)

        @app.get("/block")
        def block():
            reader, writer = os.pipe()
            sys.report(1)
            open(f"stuck-{os.getpid()}", "w").close()
            ctypes.CDLL(None).read(reader, ctypes.create_string_buffer(1), 1)

        @app.get("/back")
        def come_back():
            sys.report(1)
            with open("back") as fifo:
                fifo.read()
            sys.report(0)
            return f"came back to {os.getpid()}"

        @app.get("/read")
        def read():
            with open("fifo") as fifo:
                fifo.read()
            return f"read by {os.getpid()}"

        return app
"""
REPORTS = """

_booted = post_worker_init


def post_worker_init(worker):
    def watch(host, callback):
        sys.report = callback

    type(worker.wsgi).watch_for_stuck_threads = watch
    _booted(worker)
"""
"""Instead of a watchdog: apps report themselves."""

BROKEN = """

import os

_begin = post_fork


def post_fork(arbiter, worker):
    _begin(arbiter, worker)
    if os.path.exists("broken"):
        raise RuntimeError("cannot boot")
"""


@dataclasses.dataclass
class Client:
    """Sends one request after another, each on a connection of its own."""

    answers: list[str] = dataclasses.field(default_factory=list)
    failures: list[Answer | Exception] = dataclasses.field(default_factory=list)

    def run(self, server: Server, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                answer = server.get("/self/")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(error)
                continue
            if answer.status != 200:
                self.failures.append(answer)
            self.answers.append(answer.text)

    def hears(self, *workers: int, times: int = 10) -> None:
        """Wait until it was answered so often from here on; by these workers only."""
        seen = len(self.answers) + 1  # the next one may have been on its way already
        until(lambda: len(self.answers) >= seen + times, "further answers")
        assert {int(answer) for answer in self.answers[seen:]} <= set(workers)


@contextlib.contextmanager
def asking(server: Server) -> Iterator[Client]:
    """Ask all the time; afterwards see that every request was answered."""
    until(lambda: answered(server), "it serves")
    client, stop = Client(), threading.Event()
    thread = threading.Thread(target=client.run, args=[server, stop])
    thread.start()
    try:
        yield client
    finally:
        stop.set()
        thread.join()
    assert client.failures == []


def answered(server: Server) -> bool:
    try:
        return server.get("/self/").status == 200
    except (OSError, http.client.HTTPException):
        return False


def only_worker(server: Server) -> int:
    until(lambda: len(server.workers()) == 1, "one worker")
    return next(iter(server.workers()))


def another(server: Server, *known: int) -> int:
    """Wait for a worker that is none of these; return it."""
    until(lambda: bool(server.workers() - set(known)), "another worker")
    return next(iter(server.workers() - set(known)))


def has_left(pid: int) -> bool:
    """Say whether a worker has ended, and gunicorn has seen it."""
    return not Path(f"/proc/{pid}").exists()


def lets_go(project: Project, old: int) -> None:
    """Let the app start that hangs, and wait until the old worker has left for the new one."""
    (project.root / "go").touch()
    until(partial(has_left, old), "the old worker has left")


@pytest.fixture
def hanging(project: Project, serve: Serve) -> Callable[..., Server]:
    """Serve a project one of whose apps hangs at start from the next reload on."""

    def start(*options: str) -> Server:
        project.app("self", SELF)
        project.operator("[host]\nstartup_wait = 500.0\n[host.limits]\nstartup_timeout = 500.0\n")
        server = serve("--graceful-timeout=500", *options)
        until(lambda: answered(server), "it serves")
        project.app("hangs", HANGS)
        return server

    return start


def hang_up(server: Server) -> None:
    server.process.send_signal(signal.SIGHUP)


def test_old_workers_serve_while_new_ones_hang_at_start(
    project: Project, hanging: Callable[..., Server]
) -> None:
    server = hanging()
    old = only_worker(server)
    with asking(server) as client:
        hang_up(server)
        new = another(server, old)
        client.hears(old)
        assert server.workers() == {old, new}
        lets_go(project, old)
        client.hears(new)
    assert server.get("/hangs/").status == 200


def test_two_reloads_in_a_row(project: Project, hanging: Callable[..., Server]) -> None:
    server = hanging()
    old = only_worker(server)
    with asking(server) as client:
        hang_up(server)
        first = another(server, old)
        hang_up(server)
        second = another(server, old, first)
        until(partial(has_left, first), "the first one's successor is of no use any more")
        client.hears(old)
        assert server.workers() == {old, second}
        lets_go(project, old)
        client.hears(second)


def test_a_successor_that_is_killed_is_replaced(
    project: Project, hanging: Callable[..., Server]
) -> None:
    server = hanging()
    old = only_worker(server)
    with asking(server) as client:
        hang_up(server)
        first = another(server, old)
        os.kill(first, signal.SIGKILL)
        second = another(server, old, first)
        client.hears(old)
        lets_go(project, old)
        client.hears(second)


def test_more_and_fewer_workers_during_a_reload(
    project: Project, hanging: Callable[..., Server]
) -> None:
    server = hanging()
    old = only_worker(server)
    with asking(server) as client:
        hang_up(server)
        first = another(server, old)
        server.process.send_signal(signal.SIGTTIN)
        second = another(server, old, first)
        client.hears(old)
        lets_go(project, old)
        client.hears(first, second)
        assert server.workers() == {first, second}
        server.process.send_signal(signal.SIGTTOU)
        left = only_worker(server)
        client.hears(left)


@pytest.mark.parametrize("boots", [True, False], ids=["while it boots", "at once"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_the_master_is_stopped_in_the_middle(
    hanging: Callable[..., Server], number: signal.Signals, boots: bool
) -> None:
    server = hanging()
    old = only_worker(server)
    hang_up(server)
    if boots:
        new = another(server, old)
        until(lambda: f"Booting worker with pid: {new}" in server.lines(), "it boots")
    server.process.send_signal(number)
    server.process.wait(PATIENCE)
    with pytest.raises(ProcessLookupError):
        os.killpg(server.process.pid, 0)
    assert "Perhaps out of memory" not in server.lines()  # nor was any of them killed


def test_workers_that_cannot_boot_end_no_old_one(project: Project, serve: Serve) -> None:
    project.app("self", SELF)
    with (project.root / "gunicorn.conf.py").open("a") as conf:
        conf.write(BROKEN)
    server = serve()
    with asking(server) as client:
        old = only_worker(server)
        (project.root / "broken").touch()
        hang_up(server)
        until(lambda: "ended before they served" in server.lines(), "a try is over")
        client.hears(old)
        (project.root / "broken").unlink()
        until(partial(has_left, old), "the old worker has left")
        client.hears(only_worker(server))


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["", "preload_app"])
def test_a_worker_with_a_thread_blocked_in_c_is_replaced(
    project: Project, serve: Serve, options: tuple[str, ...]
) -> None:
    fifo = reporting(project)
    # Whoever waits for the blocked thread waits longer than this test.
    server = serve("--graceful-timeout=500", "--timeout=600", *options)
    with asking(server) as client, ThreadPoolExecutor() as pool:
        old = only_worker(server)
        reading = pool.submit(server.get, "/stuck/read")
        writer = fifo.open("w")  # once it reads
        blocked = pool.submit(server.get, "/stuck/block")
        new = another(server, old)
        until(lambda: client.answers[-1:] == [str(new)], "the successor serves")
        client.hears(new, old)
        assert not reading.done()
        assert not has_left(old)
        writer.close()
        assert reading.result().text == f"read by {old}"
        until(partial(has_left, old), "the stuck worker has left")
        client.hears(new)
        assert isinstance(blocked.exception(), OSError | http.client.HTTPException)
        assert server.workers() == {new}
    [line] = [line for line in server.lines().splitlines() if "blocked in C" in line]
    assert f"worker {old} is replaced" in line
    assert '"level": "warning"' in line


def test_a_thread_that_comes_back_is_no_longer_left_out(project: Project, serve: Serve) -> None:
    fifo = reporting(project)
    server = serve()
    with asking(server) as client, ThreadPoolExecutor() as pool:
        old = only_worker(server)
        reading = pool.submit(server.get, "/stuck/read")
        writer = fifo.open("w")
        coming_back = pool.submit(server.get, "/stuck/back")
        back_writer = fifo.with_name("back").open("w")
        new = another(server, old)
        until(lambda: set(client.answers[-20:]) == {str(new)}, "only the successor is asked")
        back_writer.close()
        assert coming_back.result().text == f"came back to {old}"
        client.hears(new)
        writer.close()
        assert reading.result().text == f"read by {old}"
        until(partial(has_left, old), "what was granted stays so")


def test_one_stuck_worker_is_replaced_a_minute(project: Project, serve: Serve) -> None:
    reporting(project)
    server = serve("--graceful-timeout=500")
    with asking(server) as client, ThreadPoolExecutor() as pool:
        first = only_worker(server)
        pool.submit(server.get, "/stuck/block")
        until(partial(has_left, first), "the stuck worker has left")
        second = only_worker(server)
        pool.submit(server.get, "/stuck/block")
        until((project.root / f"stuck-{second}").exists, "it is stuck as well")
        client.hears(second, times=50)
        assert server.workers() == {second}
        # A reload replaces it all the same, and it does not wait for its thread either.
        hang_up(server)
        until(partial(has_left, second), "the other stuck worker has left")
        client.hears(only_worker(server))
    assert server.lines().count("blocked in C") == 1


def umask(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("Umask:")[2].split()[0], 8)


def test_a_system_that_has_no_room_for_a_worker_ends_nothing(
    project: Project, serve: Serve
) -> None:
    project.app("self", SELF)
    server = serve(workers=2)
    until(lambda: len(server.workers()) == 2 and answered(server), "two workers")
    files, limit = resource.RLIMIT_NOFILE, partial(resource.prlimit, server.process.pid)
    soft, hard = limit(files)

    before = umask(server.process.pid)
    assert before != 0
    limit(files, (3, hard))
    killed, left = server.workers()
    os.kill(killed, signal.SIGKILL)
    until(lambda: "no worker can be started" in server.lines(), "the master says so")
    assert umask(server.process.pid) == before, "gunicorn has another one while it makes a file"
    assert server.get("/self/").text == str(left)
    limit(files, (soft, hard))
    until(lambda: len(server.workers()) == 2, "the worker is replaced")


def reporting(project: Project) -> Path:
    """Have an app that says itself when a thread of it is stuck; return what it reads from."""
    project.app("self", SELF)
    project.app("stuck", STUCK)
    with (project.root / "gunicorn.conf.py").open("a") as conf:
        conf.write(REPORTS)
    fifo = project.root / "fifo"
    os.mkfifo(fifo)
    os.mkfifo(fifo.with_name("back"))
    return fifo
