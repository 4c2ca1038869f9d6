"""``rowhouse list --live`` against a real host, and against none."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.running import PATIENCE, REPOSITORY, Project, Server, clean_environment, until

TOKEN = "a token of this test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = Project(tmp_path_factory.mktemp("live"))
    project.app("shop")
    project.app("broken", "import nothing_there")
    made = Server(project, environ={"ROWHOUSE_METRICS_TOKEN": TOKEN})
    until(lambda: made.get("/shop/").status == 200, "it serves")
    yield made
    made.stop()


def live(server: Server | None, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    url = [f"--url=http://127.0.0.1:{server.port}"] if server else []
    return subprocess.run(
        [sys.executable, "-m", "dispatcher", "list", "--live", *url, *options],
        cwd=REPOSITORY,
        env=clean_environment() | environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_json_is_one_object(server: Server) -> None:
    ran = live(server, "--json", ROWHOUSE_METRICS_TOKEN=TOKEN)
    assert ran.returncode == 0, ran.stderr
    broken, shop = json.loads(ran.stdout)["mounts"]
    assert (broken["name"], broken["state"], broken["problems"]) == ("broken", "down", ["Down"])
    assert (shop["name"], shop["prefix"], shop["problems"]) == ("shop", "/shop", [])
    assert shop.keys() >= {"rate", "error_rate", "p50", "p99", "running", "parked", "cpu_share"}


def test_into_a_pipe_it_prints_one_table(server: Server) -> None:
    ran = live(server, ROWHOUSE_METRICS_TOKEN=TOKEN)
    assert ran.returncode == 0, ran.stderr
    heading, broken, shop = ran.stdout.splitlines()
    assert heading.split()[:2] == ["App", "State"]
    assert (broken.split()[:2], broken.split()[-1]) == (["broken", "down"], "Down")
    assert shop.split()[:2] == ["shop", "up"]


def read(terminal: int) -> bytes:
    assert select.select([terminal], [], [], PATIENCE)[0], "nothing more is shown"
    return os.read(terminal, 65536)


def test_a_terminal_is_refreshed_and_left_as_it_was(server: Server) -> None:
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 140, 0, 0))
    command = [sys.executable, "-m", "dispatcher", "list", "--live"]
    shown = b""
    with subprocess.Popen(
        [*command, f"--url=http://127.0.0.1:{server.port}"],
        cwd=REPOSITORY,
        env=clean_environment() | {"ROWHOUSE_METRICS_TOKEN": TOKEN, "TERM": "xterm-256color"},
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    ) as process:
        os.close(its)
        try:
            while shown.count(b"Ctrl-C ends") < 2:
                shown += read(ours)
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(OSError):  # how a terminal says that it has ended
                while chunk := read(ours):
                    shown += chunk
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
    os.close(ours)
    assert b"shop" in shown
    assert shown.index(b"\x1b[?1049h") < shown.index(b"\x1b[?1049l")  # the screen that was there
    assert shown.rindex(b"\x1b[?25l") < shown.rindex(b"\x1b[?25h")  # the cursor
    assert b"Traceback" not in shown


READY = {"mounts": {name: {"state": "up", "prefix": f"/{name}"} for name in ("shop", "wiki")}}
METRICS = """\
# TYPE rowhouse_app_up gauge
rowhouse_app_up{app="shop"} 1.0
rowhouse_app_up{app="wiki"} 0.0
"""


class AskedFirst(BaseHTTPRequestHandler):
    """A worker in which every app is up; its metrics are those of all workers."""

    def do_GET(self) -> None:
        pages = {"/-/ready?verbose": json.dumps(READY), "/-/metrics": METRICS}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(pages[self.path].encode())

    def log_message(self, *_: object) -> None:
        pass


def test_an_app_that_is_down_in_another_worker_is_shown_as_down() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), AskedFirst) as host:
        thread = threading.Thread(target=host.serve_forever)
        thread.start()
        try:
            ran = live(None, "--json", f"--url=http://127.0.0.1:{host.server_port}")
        finally:
            host.shutdown()
            thread.join()
    assert ran.returncode == 0, ran.stderr
    wiki, shop = json.loads(ran.stdout)["mounts"]
    assert (wiki["name"], wiki["state"], wiki["problems"]) == ("wiki", "down", ["Down"])
    assert (shop["name"], shop["state"], shop["problems"]) == ("shop", "up", [])


def test_a_wrong_token_is_named(server: Server) -> None:
    ran = live(server, "--json", ROWHOUSE_METRICS_TOKEN="wrong")
    assert ran.returncode == 1
    assert "answers 401" in ran.stderr
    assert "ROWHOUSE_METRICS_TOKEN" in ran.stderr


def test_where_nothing_answers_it_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ran = live(None, f"--url=http://127.0.0.1:{port}")
    assert ran.returncode == 1
    assert f"nothing answers at http://127.0.0.1:{port}" in ran.stderr
    assert "rowhouse serve" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_where_something_else_answers_it_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with subprocess.Popen(
            [
                sys.executable,
                "-m",
                "dispatcher",
                "list",
                "--live",
                f"--url=http://127.0.0.1:{port}",
            ],
            cwd=REPOSITORY,
            env=clean_environment(),
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            connection, _ = other.accept()
            with connection:
                connection.recv(9999)
                connection.sendall(b"SSH-2.0-nothing\r\n")
            _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert f"nothing answers at http://127.0.0.1:{port}" in said


@pytest.mark.parametrize("url", ["ftp://x", "localhost:8000", ""])
def test_what_is_no_url_is_wrong_use(url: str) -> None:
    ran = live(None, f"--url={url}")
    assert ran.returncode == 2
    assert f"--url is {url!r}; write one such as http://" in ran.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", ""])
def test_a_url_alone_is_wrong_use(url: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "dispatcher", "list", f"--url={url}"],
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert ran.returncode == 2
    assert "--live" in ran.stderr
