"""The request body as an app reads it: no larger than allowed, and not on the deadline's time."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import RequestEntityTooLarge

from shared_utils.hosting.walls.deadline import Clock

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


_AHEAD = 1024
"""Bytes that are read ahead: as many as gunicorn waits for itself."""


def announced(environ: WSGIEnvironment) -> int:
    """Return the request's ``Content-Length``; 0 where it has none, as a chunked body has."""
    length: str = environ.get("CONTENT_LENGTH", "")
    return int(length) if length.isdecimal() else 0


class Body(io.RawIOBase):
    """The server's ``wsgi.input``, bounded. An app reads it through ``reader``.

    Of the server's stream only ``read`` with a size is called, the one thing that every server,
    and every checker in between, agrees on (PEP 3333, "Input and Error Streams").

    Args:
        stream: the server's.
        limit: bytes that may be read.
        clock: stands still while the client is waited for.

    Attributes:
        is_too_large: more than ``limit`` bytes came.
        failure: what the server's stream raised: the client has gone, or sent nonsense.
    """

    def __init__(self, stream: Any, limit: int, clock: Clock) -> None:
        self._stream, self._left, self._clock = stream, limit, clock
        self.is_too_large = False
        self.failure: BaseException | None = None

    def reader(self) -> io.BufferedReader:
        """Return what an app gets: lines, iteration and all."""
        return io.BufferedReader(self, buffer_size=_AHEAD)

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` as far as there is something; return the number of bytes.

        Raises:
            RequestEntityTooLarge: the body is larger than it may be.
        """
        if self.is_too_large:
            raise RequestEntityTooLarge
        # One byte more than is left, to see whether there is one.
        data: bytes = self._clock.outside(self._received, min(len(buffer), self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            self.is_too_large = True
            raise RequestEntityTooLarge
        buffer[: len(data)] = data
        return len(data)

    def _received(self, size: int) -> bytes:
        try:
            data: bytes = self._stream.read(size)
        except BaseException as error:
            self.failure = error
            raise
        return data
