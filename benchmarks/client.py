"""A client of raw sockets, which costs little beside the server that it measures."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

Address = tuple[str, int]

TIMEOUT = 60.0
"""Seconds after which a server that does not answer is given up."""


class Connection:
    """One kept-alive connection."""

    def __init__(self, address: Address) -> None:
        self._socket = socket.create_connection(address, timeout=TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, path: str, cookie: str = "") -> None:
        """Send a request and do not wait for its answer."""
        more = f"Cookie: {cookie}\r\n" if cookie else ""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())

    def receive(self) -> tuple[int, bytes]:
        """Return status and body of the next answer, which has to have a Content-Length."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        while len(body) < int(length):
            body += self._more()
        return int(head.split(b" ", 2)[1]), body

    def close(self) -> None:
        """Close it; the server sees the end of the connection."""
        self._socket.close()

    def _more(self) -> bytes:
        received = self._socket.recv(65536)
        if not received:
            raise ConnectionError("the server closed the connection")
        return received


@contextlib.contextmanager
def connected(address: Address, count: int = 1) -> Iterator[list[Connection]]:
    """Open connections, and close them at the end."""
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(count):
            connections.append(Connection(address))
            stack.callback(connections[-1].close)
        yield connections


def ask(address: Address, path: str) -> tuple[int, bytes]:
    """Return status and body of one answer, on a connection of its own."""
    with connected(address) as [connection]:
        connection.send(path)
        return connection.receive()
