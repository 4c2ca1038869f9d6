from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from shared_utils.hosting.walls.cutting import cut

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def connection() -> Iterator[Pair]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with client, server:
        yield client, server


def test_http_1_0_without_a_length_is_reset(connection: Pair) -> None:
    client, server = connection
    server.sendall(b"half")
    assert client.recv(4) == b"half"
    number = server.fileno()
    error = cut({"SERVER_PROTOCOL": "HTTP/1.0", "gunicorn.socket": server}, has_length=False)
    assert isinstance(error, ConnectionResetError)
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    # What the server does next, as gunicorn does it, finds an open file descriptor.
    assert server.fileno() == number
    server.setblocking(True)
    server.settimeout(5)
    server.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""


@pytest.mark.parametrize(
    ("protocol", "has_length"), [("HTTP/1.0", True), ("HTTP/1.1", False), ("HTTP/1.1", True)]
)
def test_where_a_client_can_tell_the_connection_is_left_to_the_server(
    connection: Pair, protocol: str, has_length: bool
) -> None:
    client, server = connection
    cut({"SERVER_PROTOCOL": protocol, "gunicorn.socket": server}, has_length=has_length)
    server.sendall(b"x")
    assert client.recv(1) == b"x"


def test_without_a_socket_there_is_only_the_error() -> None:
    with socket.socket() as unconnected:
        for given in (None, unconnected):
            environ = {"SERVER_PROTOCOL": "HTTP/1.0", "gunicorn.socket": given}
            assert isinstance(cut(environ, has_length=False), ConnectionError)
    assert isinstance(cut({"SERVER_PROTOCOL": "HTTP/1.0"}, has_length=False), ConnectionError)
