"""HTTP as a client sends it that does one thing at a time, or what no client should do."""

from __future__ import annotations

import http.client
import io
import socket
import struct
from types import TracebackType
from typing import Any, Self

from tests.running import PATIENCE, Answer


def request(
    path: str,
    method: str = "GET",
    *fields: str,
    body: bytes = b"",
    version: str = "1.1",
) -> bytes:
    """Return the bytes of a request; with a body but no framing, it gets a length."""
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *fields]
    if body and not any(
        field.startswith(("Transfer-Encoding", "Content-Length")) for field in fields
    ):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(*chunks: bytes) -> bytes:
    """Return a body in chunks; an empty one would end it."""
    some = [*filter(None, chunks), b""]
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in some)


class _Reader(io.BufferedReader):
    """What a connection sends, read by one response after the other."""

    def makefile(self, mode: str) -> Self:
        return self

    def close(self) -> None:
        """Stay open: a response that was read closes what it was read from."""


class Client:
    """One connection. Closed at the end, unless the server did so before.

    Args:
        port: of the server.
        buffer: bytes that the system may keep for a client that does not read.
    """

    def __init__(self, port: int, *, buffer: int | None = None) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE)
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.connect(("127.0.0.1", port))
        self.reader: Any = _Reader(socket.SocketIO(self.socket, "r"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, *requests: bytes) -> Self:
        self.socket.sendall(b"".join(requests))
        return self

    def answer(self, method: str = "GET") -> Answer:
        """Read one response; interim ones (1xx) are passed over.

        Raises:
            IncompleteRead: it was cut where its framing shows it.
            ConnectionResetError: it was cut by a reset.
        """
        response = http.client.HTTPResponse(self.reader, method=method)
        with response:
            response.begin()
            return Answer(response.status, response.headers, response.read().decode())

    def until(self, end: bytes) -> bytes:
        """Read up to these bytes, and no further."""
        read = b""
        while not read.endswith(end):
            byte = self.reader.read(1)
            assert byte, f"the server ended after {read!r}"
            read += byte
        return read

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
