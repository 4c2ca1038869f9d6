"""A client as gunicorn's threads see it: what it sends and what it takes has to come in time.

gunicorn reads requests through a `RequestReader` and writes to a `ClientSocket`. What an app reads
from ``environ["gunicorn.socket"]`` itself, as WebSockets do, waits as long as the app likes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import math
import os
import select
import socket
import sys
import termios
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from gunicorn.http.errors import NoMoreData
from werkzeug.exceptions import RequestTimeout

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

logger = logging.getLogger(__name__)

_AT_ONCE = int(socket.MSG_DONTWAIT)  # no enum: combining those takes longer than a system call


class ClientTimeout(TimeoutError, RequestTimeout):
    """A client sent nothing, or took nothing, for ``[host] client_timeout`` seconds.

    An OSError for whoever reads from it or writes to it, and for Flask an answer as well: 408
    (RFC 9110, section 15.5.9). So an app that reads a body which stops needs no code for that.
    """

    def __init__(self, message: str) -> None:
        RequestTimeout.__init__(self)
        TimeoutError.__init__(self, message)


class RequestReader:
    """What gunicorn's parser reads a client's requests from.

    Args:
        sock: the client's socket, in blocking mode.
        timeout: seconds that a client may send nothing while its request's body is read.

    Attributes:
        due: ``time.monotonic()`` by which all has to be there that is being read, which is a
            request's head, or the rest of a body that nobody wants; None while an app reads.
    """

    __slots__ = ("_sock", "_timeout", "due")

    def __init__(self, sock: ClientSocket, timeout: float) -> None:
        self._sock = sock
        self._timeout = timeout
        self.due: float | None = monotonic() + timeout

    def recv(self, size: int) -> bytes:
        """Read up to ``size`` bytes; none where the client has ended what it sends.

        Raises:
            ClientTimeout: the body did not go on.
            NoMoreData: the head was not there in time: to gunicorn, a client that has gone.
        """
        while True:
            try:
                return self._sock.recv(size, _AT_ONCE)
            except BlockingIOError:
                self._wait()

    def _wait(self) -> None:
        due = self.due
        if is_ready(self._sock, select.POLLIN, self._timeout if due is None else due - monotonic()):
            if due is not None:
                self._sock.came_at = monotonic()
            return
        if due is None:
            self._timeout = 0  # an app that tries again is told at once
            raise timed_out(self._sock, "sent no more of its request's body")
        logger.info("%s did not send all of its request", name_of(self._sock))
        raise NoMoreData


class ClientSocket(socket.socket):
    """A client's socket, on which sending ends where the client takes nothing.

    Sending raises `ClientTimeout` then. Whoever sets a timeout of its own gets what Python gives.

    Attributes:
        patience: seconds that a client may take nothing.
        came_at: ``time.monotonic()`` when the head of the request that is answered had come, and a
            thread was asked for; where that thread had to read on, when the rest had come.
        before_waiting: called in a thread that is about to wait for the client.
    """

    __slots__ = ("before_waiting", "came_at", "patience")

    patience: float
    came_at: float
    before_waiting: Callable[[], object]

    def close(self) -> None:
        """End the connection, as an app may; its number stays the worker's until it is released.

        The number would be given out again else, while the poller has it.
        """
        with contextlib.suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)

    def setblocking(self, flag: bool) -> None:
        """Block, or do not. gunicorn asks for it at each request: it is done only where it is not.

        Each call to the system lets another thread have the interpreter.
        """
        if not flag or self.gettimeout() is not None:
            super().setblocking(flag)

    def release(self) -> None:
        """Close the socket itself."""
        super().close()

    def dup(self) -> ClientSocket:
        """Return another socket of the same connection, as patient as this one."""
        made = super().dup()
        made.patience, made.before_waiting = self.patience, self.before_waiting
        return made

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        """Send what fits, as soon as something does; return the number of bytes."""
        if self.gettimeout() is not None or flags & _AT_ONCE:
            return super().send(data, flags)
        while True:
            try:
                return super().send(data, flags | _AT_ONCE)
            except BlockingIOError:
                self._wait()

    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        """Send all of ``data``, for as long as the client goes on taking it."""
        if self.gettimeout() is not None:
            super().sendall(data, flags)
            return
        rest = memoryview(data).cast("B")
        while rest:
            rest = rest[self.send(rest, flags) :]

    if sys.platform == "linux":

        def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
            """Send a file, for as long as the client goes on taking it; return bytes sent.

            Raises:
                ConnectionResetError: unlike elsewhere, where there are fewer than ``count``.
            """
            if self.gettimeout() is not None:
                return super().sendfile(file, offset, count)
            total = 0
            self.setblocking(False)
            try:
                while count is None or total < count:
                    size = 2**30 if count is None else min(count - total, 2**30)
                    try:
                        sent = os.sendfile(self.fileno(), file.fileno(), offset + total, size)
                    except BlockingIOError:
                        self._wait()
                        continue
                    except OSError:
                        if total:
                            raise
                        break
                    if not sent:
                        break
                    total += sent
            finally:
                self.setblocking(True)
            if count is not None and 0 < total < count:
                # It was cut short meanwhile, and its length is announced.
                raise ConnectionResetError(errno.ECONNRESET, "the file has become shorter")
            # Where nothing was sent, the file may be of a kind that has to be read.
            return total or super().sendfile(file, offset, count)

    def _wait(self) -> None:
        before = queued(self)
        if is_ready(self, select.POLLOUT, self.patience):
            return
        # A sender is told of room only once there is plenty.
        if queued(self) >= before:
            raise timed_out(self, "does not read its response")


def is_ready(sock: ClientSocket, event: int, seconds: float) -> bool:
    """Wait until a socket can be read from, or written to; say whether it can."""
    sock.before_waiting()
    poll = select.poll()
    poll.register(sock, event)
    return bool(poll.poll(math.ceil(max(seconds, 0) * 1000)))


def queued(sock: socket.socket) -> int:
    """Return how many bytes wait in the kernel for the client to take them."""
    return int.from_bytes(fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def timed_out(sock: socket.socket, what: str) -> ClientTimeout:
    """Log what a client did not do in time; return the error that says it to others."""
    message = f"{name_of(sock)} {what}"
    logger.info("%s", message)
    return ClientTimeout(message)


def name_of(sock: socket.socket) -> str:
    """Name a client for the log: by its address, where it has one."""
    try:
        address = sock.getpeername()
    except OSError:
        return "a client that has gone"
    return f"client {address[0]}:{address[1]}" if isinstance(address, tuple) else "a local client"
