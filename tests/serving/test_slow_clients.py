"""Clients that are slow, or do nothing at all, do not keep others from being answered."""

from __future__ import annotations

import contextlib
import http.client
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.running import PATIENCE, Project, Serve, Server, until

LAB = """
    import sys
    import tempfile
    import threading

    from flask import Flask, request, send_file
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        big = tempfile.NamedTemporaryFile()
        big.write(bytes(8_000_000))

        @app.get("/")
        def hello():
            return "hello"

        @app.get("/connections")
        def connections():
            frame = sys._current_frames()[threading.main_thread().ident]
            while not hasattr(worker := frame.f_locals.get("self"), "nr_conns"):
                frame = frame.f_back
            return str(worker.nr_conns)

        @app.get("/waiting")
        def waiting():
            innermost = [frame.f_code.co_name for frame in sys._current_frames().values()]
            return str(innermost.count("is_ready"))

        @app.post("/upload")
        def upload():
            return str(len(request.get_data()))

        @app.post("/unread")
        def unread():
            return "not read"

        @app.get("/big")
        def in_memory():
            return bytes(8_000_000)

        @app.get("/file")
        def from_file():
            return send_file(big.name)

        @app.get("/exit")
        def leave():
            raise SystemExit(3)

        @app.get("/hurry")
        def hurry():
            request.environ["gunicorn.socket"].settimeout(5)
            return "hello"

        together = threading.Barrier(40)  # the slots that one app may have are 48

        @app.get("/together")
        def wait_for_all():
            together.wait()
            return "hello"

        kept = []

        @app.get("/keep")
        def keep():
            kept.append(request.environ["gunicorn.socket"])
            return ""

        @app.get("/close")
        def close():
            kept.pop().close()
            return ""

        @app.get("/talk")
        def talk():
            sock = request.environ["gunicorn.socket"]
            sock.sendall(b"HTTP/1.1 101 Switching Protocols\\r\\n\\r\\n")
            while data := sock.recv(1024):
                sock.sendall(data.upper())
            return ""

        return app
"""
GET = b"GET /lab/ HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /lab/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"

Connect = Callable[..., socket.socket]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Return a function that opens connections to a server, and keeps them open."""
    with contextlib.ExitStack() as opened:

        def connect(server: Server, sent: bytes = b"", buffer: int = 0) -> socket.socket:
            sock = opened.enter_context(socket.socket())
            sock.settimeout(PATIENCE)
            if buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            sock.connect(("127.0.0.1", server.port))
            sock.sendall(sent)
            return sock

        yield connect


@pytest.fixture
def lab(project: Project, serve: Serve) -> Callable[..., Server]:
    """Return a function that serves the lab; the server knows then how to be asked."""
    project.app("lab", LAB)

    def start(*options: str, client_timeout: float = 600, threads: int = 512) -> Server:
        project.operator(f"[host]\nclient_timeout = {client_timeout}\nthreads = {threads}\n")
        server = serve(*options)
        server.listener.listen(1024)  # so many connections at once are not refused
        assert server.get("/lab/").text == "hello"
        return server

    return start


def unread(sock: socket.socket) -> int:
    """Return how many bytes the kernel keeps on the server's side of a connection."""
    local, remote = (f":{end[1]:04X}" for end in (sock.getpeername(), sock.getsockname()))
    for line in Path("/proc/net/tcp").read_text().splitlines():
        fields = line.split()
        if fields[1].endswith(local) and fields[2].endswith(remote):
            return int(fields[4].partition(":")[0], 16)
    raise LookupError(f"no connection from {local} to {remote}")


def rest(sock: socket.socket) -> bytes:
    """Read all that is left until the server closes; then close as well."""
    got = b""
    with sock, contextlib.suppress(ConnectionResetError):
        while data := sock.recv(65536):
            got += data
    return got


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def forgets_all_others(server: Server) -> None:
    until(lambda: server.get("/lab/connections").text == "1", "no connection counts but this one")


@pytest.mark.parametrize(
    ("sent", "answer"),
    [(b"", b""), (GET[:-2], b"HTTP/1.1 408 Request Timeout\r\n")],
    ids=["nothing", "half a head"],
)
def test_waiting_for_a_request_costs_no_thread(
    lab: Callable[..., Server], connect: Connect, sent: bytes, answer: bytes
) -> None:
    server = lab(client_timeout=1.0, threads=4)
    slow = [connect(server, sent) for _ in range(600)]
    assert server.get("/lab/").text == "hello"
    [worker] = server.workers()
    # The main one, four for requests, and the few that the host itself has.
    assert threads(worker) <= 12
    for sock in slow:
        assert rest(sock).startswith(answer)
    forgets_all_others(server)
    told, expected = "did not send all of its request", 600 if sent else 0
    until(lambda: server.lines().count(told) == expected, "the log tells of each")
    assert '"traceback"' not in server.lines()


def test_clients_that_never_close_cost_no_one_else_anything(
    lab: Callable[..., Server], connect: Connect
) -> None:
    server = lab()
    slow = [connect(server, b"GET /lab/ HTTP/1.0\r\n\r\n") for _ in range(600)]
    assert server.get("/lab/").text == "hello"
    for sock in slow:
        assert rest(sock).endswith(b"hello")
    forgets_all_others(server)


@pytest.mark.parametrize(
    ("sent", "answer", "line"),
    [
        (POST % (b"upload", 9, b"half"), b" 408 ", "sent no more of its request's body"),
        (POST % (b"unread", 9, b"half"), b" 200 ", "did not send all of its request"),
        (GET.replace(b"/lab/", b"/lab/big"), b" 200 ", "does not read its response"),
        (GET.replace(b"/lab/", b"/lab/file"), b" 200 ", "does not read its response"),
    ],
    ids=["body", "body that nobody reads", "response", "file"],
)
def test_threads_come_back_from_clients_that_stop(
    lab: Callable[..., Server], connect: Connect, sent: bytes, answer: bytes, line: str
) -> None:
    server = lab(client_timeout=0.5, threads=8)  # of which one app may hold six
    slow = [connect(server, sent, buffer=4096) for _ in range(4)]
    told = [f"client 127.0.0.1:{sock.getsockname()[1]} {line}" for sock in slow]
    assert server.get("/lab/").text == "hello"
    until(lambda: all(name in server.lines() for name in told), "all were given up")
    for sock in slow:
        assert answer in rest(sock)[:20]
    forgets_all_others(server)
    assert [server.lines().count(name) for name in told] == [1, 1, 1, 1]
    assert '"traceback"' not in server.lines()


@pytest.mark.parametrize("path", [b"/lab/big", b"/lab/file"], ids=["in memory", "file"])
def test_the_kernel_keeps_little_of_what_a_client_does_not_read(
    lab: Callable[..., Server], connect: Connect, path: bytes
) -> None:
    server = lab()
    sock = connect(server, GET.replace(b"/lab/", path), buffer=4096)
    until(lambda: server.get("/lab/waiting").text == "1", "the thread waits for its client")
    assert 0 < unread(sock) < 1_000_000  # of 8 MB; it would take more than two


def test_a_request_in_pieces_is_answered(lab: Callable[..., Server], connect: Connect) -> None:
    server = lab()
    sock = connect(server)
    for _ in range(2):
        for piece in (GET[:1], GET[1:30], GET[30:-1], GET[-1:]):
            sock.sendall(piece)
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        assert answer.read() == b"hello"


@pytest.mark.parametrize("first", [GET, POST % (b"unread", 4, b"body")], ids=["GET", "POST"])
@pytest.mark.parametrize("split", [0, 7, len(GET) - 1])
def test_requests_that_come_together_are_answered(
    lab: Callable[..., Server], connect: Connect, first: bytes, split: int
) -> None:
    server = lab()
    sock = connect(server, first + GET[:split])
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    answer.read()
    sock.sendall(GET[split:] + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert rest(sock).count(b"\r\n\r\nhello") == 2


@pytest.mark.parametrize("path", [b"", b"hurry"], ids=["pipelined", "with a timeout of an app's"])
def test_a_connection_is_kept_whatever_came_before(
    lab: Callable[..., Server], connect: Connect, path: bytes
) -> None:
    server = lab("--keep-alive=600")
    sock = connect(server)
    for together in (3, 1, 2):
        sock.sendall(GET.replace(b"/lab/", b"/lab/" + path) * together)
        got = b""
        while got.count(b"\r\n\r\nhello") < together:
            got += (data := sock.recv(65536))
            assert data
    until(lambda: server.get("/lab/connections").text == "2", "these two, and no other")


def test_requests_that_wait_for_one_another_are_all_answered(
    lab: Callable[..., Server], connect: Connect
) -> None:
    server = lab("--keep-alive=600")
    waiting = [connect(server) for _ in range(40)]
    for _ in range(2):
        for sock in waiting:
            sock.sendall(GET.replace(b"/lab/", b"/lab/together"))
        for sock in waiting:
            answer = http.client.HTTPResponse(sock)
            answer.begin()
            assert answer.read() == b"hello"


def test_an_app_may_wait_on_the_socket_as_long_as_it_likes(
    lab: Callable[..., Server], connect: Connect
) -> None:
    server = lab(client_timeout=0.1)
    talk = connect(server, GET.replace(b"/lab/", b"/lab/talk"))
    assert talk.recv(1024).startswith(b"HTTP/1.1 101")
    assert rest(connect(server)) == b"", "the time of one that came later is over"
    talk.sendall(b"still there")
    assert talk.recv(1024) == b"STILL THERE"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP], ids=["TERM", "HUP"])
def test_a_worker_that_stops_does_not_wait_for_clients_that_wait(
    lab: Callable[..., Server], connect: Connect, how: signal.Signals
) -> None:
    server = lab("--graceful-timeout=600", "--keep-alive=600")
    old = server.workers()
    slow = [connect(server, sent) for sent in (b"", GET[:-2], GET, GET + GET[:-2])]
    for sock in slow[2:]:
        assert sock.recv(15) == b"HTTP/1.1 200 OK"
    server.process.send_signal(how)
    for sock in slow:
        rest(sock)
    if how == signal.SIGTERM:
        assert server.process.wait(PATIENCE) == 0
    else:
        until(lambda: not old & server.workers(), "the old worker has ended")
        assert server.get("/lab/").text == "hello"


def test_where_all_connections_are_taken_those_that_wait_make_room(
    lab: Callable[..., Server], connect: Connect
) -> None:
    server = lab("--worker-connections=20", threads=4)
    slow = [connect(server) for _ in range(60)]
    assert server.get("/lab/").text == "hello"
    for sock in slow[:40]:
        assert rest(sock) == b""
    assert int(server.get("/lab/connections").text) <= 20


def test_a_worker_outlives_that_no_more_files_can_be_opened(
    lab: Callable[..., Server], connect: Connect
) -> None:
    server = lab(threads=4)
    [worker] = server.workers()
    most = max(int(file.name) for file in Path(f"/proc/{worker}/fd").iterdir()) + 10
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (most, most))
    slow = [connect(server, GET[:-2]) for _ in range(20)]
    until(lambda: "no new connections for a second" in server.lines(), "no file is left")
    for sock in slow:
        sock.close()
    assert server.get("/lab/").text == "hello"
    assert server.workers() == {worker}


def test_an_exit_in_a_request_costs_that_connection(lab: Callable[..., Server]) -> None:
    # Of 16 threads an app may hold 12; so many are not on their way back at once.
    server = lab(threads=16)
    worker = server.workers()
    for _ in range(20):
        with contextlib.suppress(OSError, http.client.HTTPException):
            assert server.get("/lab/exit").status == 500
    assert server.get("/lab/").text == "hello"
    assert server.workers() == worker
    forgets_all_others(server)


def test_an_app_may_close_a_socket_that_it_no_longer_has(
    lab: Callable[..., Server], connect: Connect
) -> None:
    server = lab("--keep-alive=600", client_timeout=1.0)
    worker = server.workers()
    kept = connect(server, GET.replace(b"/lab/", b"/lab/keep"))
    assert kept.recv(15) == b"HTTP/1.1 200 OK"
    assert server.get("/lab/close").status == 200
    # The numbers of both sockets are given out again, while one of them is still looked out for.
    others = [connect(server, GET[:-2]) for _ in range(3)]
    assert server.get("/lab/").text == "hello"
    assert [rest(sock)[:12] for sock in others] == [b"HTTP/1.1 408"] * 3
    assert server.workers() == worker
