"""The request body as an app reads it: no larger than allowed, and not on the deadline's time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import RequestEntityTooLarge

from shared_utils.hosting.walls.deadline import Clock

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def has_body(environ: WSGIEnvironment) -> bool:
    """Say whether the request announces a body."""
    return environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ


def announced(environ: WSGIEnvironment) -> int:
    """Return the request's ``Content-Length``; 0 where it has none, as a chunked body has."""
    length: str = environ.get("CONTENT_LENGTH", "")
    return int(length) if length.isdecimal() else 0


class Body:
    """``wsgi.input`` of one request (PEP 3333, "Input and Error Streams").

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

    def read(self, size: int | None = -1) -> bytes:
        """Return up to ``size`` bytes; all where it is negative or None.

        Raises:
            RequestEntityTooLarge: the body is larger than it may be.
        """
        return self._bounded("read", size)

    def readline(self, size: int | None = -1) -> bytes:
        """Return a line, or its first ``size`` bytes; raises as ``read`` does."""
        return self._bounded("readline", size)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """Return lines, no further ones after ``hint`` bytes; raises as ``read`` does."""
        lines: list[bytes] = []
        total = 0
        for line in self:
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint <= total:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        """Return itself: it is read line by line."""
        return self

    def __next__(self) -> bytes:
        """Return the next line."""
        if line := self.readline():
            return line
        raise StopIteration

    def __getattr__(self, name: str) -> Any:
        """Return what else the server's stream has, beyond what WSGI asks for."""
        return getattr(self._stream, name)

    def _bounded(self, method: str, size: int | None) -> bytes:
        if self.is_too_large:
            raise RequestEntityTooLarge
        # One byte more than is left, to see whether there is one.
        most = self._left + 1
        asked = most if size is None or size < 0 else min(size, most)
        data = self._waited_for(method, asked)
        self._left -= len(data)
        if self._left < 0:
            self.is_too_large = True
            raise RequestEntityTooLarge
        return data

    def _waited_for(self, method: str, size: int) -> bytes:
        if self._clock.thread != threading.get_ident():  # an app may read in a thread of its own
            return self._received(method, size)
        try:
            self._clock.pause()
            return self._received(method, size)
        finally:
            self._clock.resume()

    def _received(self, method: str, size: int) -> bytes:
        try:
            data: bytes = getattr(self._stream, method)(size)
        except BaseException as error:
            self.failure = error
            raise
        return data
