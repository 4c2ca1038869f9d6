"""What a client sends and takes has to come in time."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from flask import Flask
from gunicorn.http.errors import NoMoreData

from shared_utils.hosting.client import ClientSocket, ClientTimeout, RequestReader

LONG = 60.0
"""Seconds that no test waits for."""
BIG = bytes(range(256)) * 40_000
"""More than the kernel takes for a client that does not read."""


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        yield made


@pytest.fixture
def served(client: socket.socket) -> Iterator[ClientSocket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client.connect(listener.getsockname())
        accepted, _ = listener.accept()
    made = ClientSocket(socket.AF_INET, socket.SOCK_STREAM, 0, accepted.detach())
    made.patience, made.before_waiting = LONG, lambda: None
    yield made
    made.release()


@contextlib.contextmanager
def reading(client: socket.socket) -> Iterator[bytearray]:
    """Have another thread read all that the client gets."""
    got = bytearray()

    def read() -> None:
        while data := client.recv(65536):
            got.extend(data)

    thread = threading.Thread(target=read)
    thread.start()
    yield got
    thread.join()


def test_a_head_has_come_when_its_rest_has(served: ClientSocket, client: socket.socket) -> None:
    reader, began = RequestReader(served, LONG), monotonic()
    served.came_at = 0.0
    served.before_waiting = lambda: client.sendall(b"GET / HTTP/1.1")
    assert reader.recv(100) == b"GET / HTTP/1.1"
    assert served.came_at >= began


def test_it_has_come_long_since_when_its_body_does(
    served: ClientSocket, client: socket.socket
) -> None:
    reader = RequestReader(served, LONG)
    reader.due = None  # an app reads
    served.came_at = 0.0
    served.before_waiting = lambda: client.sendall(b"body")
    assert reader.recv(100) == b"body"
    assert served.came_at == 0.0


def test_what_a_client_sends_is_read(served: ClientSocket, client: socket.socket) -> None:
    reader = RequestReader(served, LONG)
    client.sendall(b"GET / HTTP/1.1")
    assert reader.recv(5) == b"GET /"
    assert reader.recv(8192) == b" HTTP/1.1"
    client.close()
    assert reader.recv(8192) == b""


def test_what_comes_later_is_waited_for(served: ClientSocket, client: socket.socket) -> None:
    reader = RequestReader(served, LONG)
    for due in (monotonic() + LONG, None):
        reader.due = due
        sender = threading.Timer(0.01, client.sendall, [b"late"])
        sender.start()
        assert reader.recv(8192) == b"late"
        sender.join()


def test_a_body_that_does_not_go_on_is_given_up(
    served: ClientSocket, client: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    reader = RequestReader(served, 0.01)
    reader.due = None
    host, port = client.getsockname()
    with caplog.at_level("INFO"), pytest.raises(ClientTimeout, match=f"{host}:{port} sent no more"):
        reader.recv(8192)
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert f"client {host}:{port} sent no more of its request's body" in caplog.text


def test_a_head_that_is_due_is_given_up_though_it_goes_on(
    served: ClientSocket, client: socket.socket
) -> None:
    reader = RequestReader(served, LONG)
    reader.due = monotonic()
    client.sendall(b"GET /")
    assert reader.recv(8192) == b"GET /"  # what is there is taken all the same
    with pytest.raises(NoMoreData):
        reader.recv(8192)


def test_a_response_arrives_whole(
    served: ClientSocket, client: socket.socket, tmp_path: Path
) -> None:
    file = tmp_path / "big"
    file.write_bytes(BIG)
    with reading(client) as got:
        served.sendall(BIG)
        with file.open("rb") as opened:
            assert served.sendfile(opened, 100, len(BIG) - 100) == len(BIG) - 100
            assert served.sendfile(opened) == len(BIG)
        served.shutdown(socket.SHUT_WR)
    assert bytes(got) == BIG + BIG[100:] + BIG


@pytest.mark.parametrize("way", ["sendall", "sendfile"])
def test_a_client_that_takes_nothing_is_given_up(
    served: ClientSocket, way: str, tmp_path: Path
) -> None:
    served.patience = 0.05
    if way == "sendall":
        with pytest.raises(ClientTimeout, match="does not read its response"):
            served.sendall(BIG)
    else:
        (tmp_path / "big").write_bytes(BIG)
        with (
            (tmp_path / "big").open("rb") as file,
            pytest.raises(ClientTimeout, match="does not read its response"),
        ):
            served.sendfile(file, 0, len(BIG))
    assert served.gettimeout() is None


def test_it_is_said_before_a_thread_waits_for_a_client(
    served: ClientSocket, client: socket.socket
) -> None:
    said: list[str] = []

    def send(what: str, data: bytes) -> None:
        said.append(what)
        client.sendall(data)

    served.before_waiting = lambda: send("waits", b"a")
    reader = RequestReader(served, LONG)
    client.sendall(b"first")
    assert reader.recv(8) == b"first"
    assert said == []
    assert reader.recv(8) == b"a"
    assert said == ["waits"]


def test_an_app_has_its_own_way_with_the_socket(served: ClientSocket) -> None:
    served.patience = LONG
    with pytest.raises(BlockingIOError):
        for _ in range(1000):
            served.send(BIG, socket.MSG_DONTWAIT)
    served.setblocking(False)
    with pytest.raises(BlockingIOError):
        served.sendall(BIG)
    served.settimeout(0.01)
    with pytest.raises(TimeoutError) as raised:
        served.sendall(BIG)
    assert not isinstance(raised.value, ClientTimeout)


def test_for_a_flask_app_it_is_a_408(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask(__name__)

    @app.post("/")
    def slow() -> str:
        raise ClientTimeout("client 192.0.2.1:1024 sent no more of its request's body")

    response = app.test_client().post("/")
    assert response.status_code == 408
    assert "192.0.2.1" not in response.text
    assert caplog.records == []


def test_for_others_it_is_an_oserror() -> None:
    error = ClientTimeout("client 192.0.2.1:1024 does not read its response")
    assert isinstance(error, OSError)
    assert str(error) == "client 192.0.2.1:1024 does not read its response"


def test_where_an_app_closes_it_the_number_stays_the_workers(
    served: ClientSocket, client: socket.socket
) -> None:
    """It would be given out again else, while the poller has it."""
    number = served.fileno()
    served.close()
    served.close()
    assert client.recv(1) == b""
    assert served.fileno() == number
    served.release()
    assert served.fileno() == -1


def test_another_socket_of_the_same_connection_is_as_patient(served: ClientSocket) -> None:
    other = served.dup()
    assert other.patience == LONG
    other.before_waiting()
    other.release()


def test_a_file_that_becomes_shorter_ends_the_connection(
    served: ClientSocket, client: socket.socket, tmp_path: Path
) -> None:
    """Its length is announced: the next response would be taken for the rest of it."""
    path = tmp_path / "file"
    path.write_bytes(b"half")
    with path.open("rb") as file, pytest.raises(ConnectionResetError):
        served.sendfile(file, 0, 8)
    assert client.recv(8) == b"half"
