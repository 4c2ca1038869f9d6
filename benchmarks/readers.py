"""Clients that ask for much and read one byte a second."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator

from benchmarks.client import TIMEOUT, Address

BUFFER = 4096
"""Bytes that the kernel may receive for a client that does not read them."""

_OK = b"HTTP/1.1 200"


class Readers:
    """Connections that have sent a request; a thread reads what comes, a byte a second of each.

    Attributes:
        answered: on how many of them a 200 has begun to arrive.
        refused: on how many another status has.
    """

    def __init__(self, address: Address, path: str, count: int) -> None:
        self.answered = self.refused = 0
        self._sockets = []
        self._ended = threading.Event()
        for _ in range(count):
            client = socket.socket()
            self._sockets.append(client)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)  # before it connects
            client.settimeout(TIMEOUT)
            client.connect(address)
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def close(self) -> None:
        """Stop reading and close all connections."""
        self._ended.set()
        self._thread.join()
        for client in self._sockets:
            client.close()

    def _read(self) -> None:
        begun = set()
        with selectors.DefaultSelector() as selector:
            for client in self._sockets:
                selector.register(client, selectors.EVENT_READ, client)
            while not self._ended.wait(1.0):
                for key, _ in selector.select(0):
                    client = key.data
                    try:
                        if client not in begun:
                            begun.add(client)
                            self._count(client.recv(len(_OK), socket.MSG_PEEK))
                        has_more = bool(client.recv(1))
                    except ConnectionError:
                        has_more = False
                    if not has_more:
                        selector.unregister(client)

    def _count(self, head: bytes) -> None:
        if head == _OK:
            self.answered += 1
        elif head:
            self.refused += 1


@contextlib.contextmanager
def reading(address: Address, path: str, count: int) -> Iterator[Readers]:
    """Have ``count`` clients ask for ``path`` and read slowly while the block runs."""
    readers = Readers(address, path, count)
    try:
        yield readers
    finally:
        readers.close()
