"""A client's connection: what has come of its next request, and its end.

Nothing here waits: the poller says when there is more to look at.
"""

from __future__ import annotations

import contextlib
import enum
import os
import socket
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from gunicorn import http
from gunicorn.workers import gthread

from shared_utils.hosting.client import ClientSocket, RequestReader
from shared_utils.hosting.walls.cutting import reset_at_close

LARGEST_HEAD = 64 * 1024
"""Bytes of a request's head up to which it is waited for without a thread."""

READ_AT_ONCE = 8 * 1024
"""Bytes that are read of a request at first (as in gunicorn)."""

MOST_DRAINED = 64 * 1024
"""Bytes that are read away of what is sent after the end (as in gunicorn)."""

_AT_ONCE = int(socket.MSG_DONTWAIT)  # no enums: combining those takes longer than a system call
_PEEK = int(socket.MSG_PEEK) | _AT_ONCE
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Head(enum.Enum):
    """What is there of the head of a connection's next request."""

    NONE = enum.auto()
    PART = enum.auto()
    WHOLE = enum.auto()
    """Or what only a thread can find out about."""
    GONE = enum.auto()
    """The client has closed the connection."""


class Connection(gthread.TConn):
    """A client's connection.

    Attributes:
        reader: what its requests are read from; None where that is gunicorn's own way.
        is_whole: it is known that the head of its next request is there.
    """

    is_whole = False

    def __init__(self, *args: Any, reader: RequestReader | None) -> None:
        super().__init__(*args)
        self.reader = reader
        self.data_ready = reader is not None  # or a thread would wait for the first byte
        self._seen = 0
        self._drained = 0

    def init(self) -> None:
        """Get ready to be read, in a thread."""
        if self.parser is None and self.reader is not None:
            source: Any = self.reader
            self.parser = http.get_parser(self.cfg, source, self.client)
        super().init()

    def look(self) -> Head:
        """See what is there of the next request's head.

        It is left there before the first request of a connection, and the socket counts as readable
        once more has come. gunicorn has to find out about a head of more than `LARGEST_HEAD` bytes,
        and about a socket that is readable and has got no more: the client may have ended what it
        sends, or SO_RCVLOWAT is not known (AF_UNIX).
        """
        ahead = self.ahead()
        if b"\r\n\r\n" in ahead:
            return Head.WHOLE
        try:
            if self.parser:
                return self._read(ahead)
            seen = self.sock.recv(LARGEST_HEAD, _PEEK)
            size = len(seen)
            if not size:
                return Head.GONE
            if (
                b"\r\n\r\n" in (ahead + seen if ahead else seen)
                or size == LARGEST_HEAD
                or size <= self._seen
            ):
                self._expect(0)
                return Head.WHOLE
            self._expect(size)
        except BlockingIOError:
            return Head.PART if self.ahead() else Head.NONE
        except OSError:
            return Head.GONE
        return Head.PART

    def _read(self, ahead: bytes) -> Head:
        """Read on, to where gunicorn's parser looks first: to look here only costs a call more."""
        buffer = self.parser.unreader.buf  # type: ignore[union-attr]
        buffer.seek(0, os.SEEK_END)
        while True:
            seen = self.sock.recv(READ_AT_ONCE, _AT_ONCE)
            if not seen:
                return Head.GONE
            buffer.write(seen)
            ahead = ahead + seen if ahead else seen
            if b"\r\n\r\n" in ahead or len(ahead) >= LARGEST_HEAD:
                return Head.WHOLE
            if len(seen) < READ_AT_ONCE:
                return Head.PART

    def _expect(self, seen: int) -> None:
        """Have the socket count as readable once there is more than what was ``seen``."""
        if seen != self._seen:
            self._seen = seen
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, seen + 1)

    def ahead(self) -> bytes:
        """Return what was read already, along with the request before."""
        return self.parser.unreader.buf.getvalue() if self.parser else b""  # type: ignore[union-attr]

    def has_part(self) -> bool:
        """Say whether the last look has seen a part of a request."""
        return bool(self._seen or self.ahead())

    def refuse(self) -> None:
        """Tell the client that it was too slow, and end."""
        with contextlib.suppress(OSError):
            self.sock.send(_TIMED_OUT, _AT_ONCE)
        self.end()

    def end(self) -> None:
        """Tell the client that there is no more to come."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def has_ended(self) -> bool:
        """Read away what the client still sends; say whether it has closed, or sends too much."""
        try:
            size = len(self.sock.recv(MOST_DRAINED, _AT_ONCE))
        except BlockingIOError:
            return False
        except OSError:
            return True
        self._drained += size
        return not size or self._drained > MOST_DRAINED

    def close(self, graceful: bool = False) -> None:
        """Close the connection; to do so gracefully is what ``end`` and ``has_ended`` are for."""
        if isinstance(self.sock, ClientSocket):
            with contextlib.suppress(OSError):  # an app has closed its number
                self.sock.release()
        else:
            super().close(graceful)

    def reset(self) -> None:
        """Close at once: a response that is cut off must not look complete, nor wait to be read."""
        with contextlib.suppress(OSError):
            reset_at_close(self.sock)
        self.close()


Connections = OrderedDict[Connection, None]
"""Connections in the poller. All of them wait equally long, so the first is due first."""


def due(conns: Connections, now: float) -> Iterator[Connection]:
    """Yield the connections whose time is over; the caller takes each of them out."""
    while conns and ((conn := next(iter(conns))).timeout or 0) <= now:
        yield conn
