"""The response of one request on its way to the server: what is sent of it, and where it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from threading import get_ident
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Any

from shared_utils.hosting.cookies import Headers
from shared_utils.hosting.telemetry.own_headers import with_own
from shared_utils.hosting.telemetry.record import Record
from shared_utils.hosting.telemetry.recorder import Recorder

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_WITHOUT_BODY = ("204", "304")
_UNKNOWN = -1


class Answer:
    """What has become of one request: takes the place of the server's ``start_response``.

    The status is counted with the last byte: before that byte is handed over where the
    ``Content-Length`` says which one it is, else when the body is at its end, which the server has
    yet to say to the client (the last chunk, or the end of the connection).

    It does not lead to the response, which leads to it: without a circle nothing waits for a
    garbage collection.

    Args:
        recorder: who is told of it.
        record: the request.
        start_response: the server's.
    """

    # Of the class, because making an answer is a part of what each request costs.
    _left = _UNKNOWN
    _is_bare = False
    """No body is sent, whatever the app gives."""
    _write: Callable[[bytes], object]

    def __init__(self, recorder: Recorder, record: Record, start_response: StartResponse) -> None:
        self._recorder, self.record = recorder, record
        self._start_response = start_response
        self._is_answered = self._is_over = False
        record.cpu_began = thread_time()
        recorder.running.add(record)
        if recorder.abandoned:
            recorder.finish_abandoned()

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Any:
        """Pass on status and headers, with the request's id and the safe ones where none are."""
        record = self.record
        headers, length = with_own(headers, record)
        self._write = self._start_response(status, headers, exc_info)
        code = status[:3]
        record.status = int(code) if code.isdecimal() else 0
        self._is_bare = record.method == "HEAD" or code in _WITHOUT_BODY
        if self._is_bare:
            self._left = 0
        else:
            self._left = _UNKNOWN if length is None else length
        return self.write

    def write(self, data: bytes) -> None:
        """Pass on what an app writes by itself."""
        self.count(data)
        self._write(data)
        self.record.sent += len(data)

    def of(self, response: Iterable[bytes], environ: WSGIEnvironment) -> Iterable[bytes]:
        """Return the response as the server gets it: recorded, or a file that it sends by itself.

        Args:
            response: what the application has returned.
            environ: the request, with the server's ``wsgi.file_wrapper``.
        """
        if isinstance(response, Telling):
            response.answer = self
            return response
        if type(response) is environ.get("wsgi.file_wrapper"):
            # By itself, so that sendfile is used.
            size = self._left if self._left >= 0 else _rest(getattr(response, "filelike", None))
            close = getattr(response, "close", None)
            response.close = partial(self._close_file, close, size)  # type: ignore[attr-defined]
            self.end()
            return response
        return _Recorded(self, response)

    def count(self, chunk: bytes) -> None:
        """Say that the request is answered, if this is the last chunk of a known length."""
        left = self._left
        if left >= 0:
            self._left = left = max(0, left - len(chunk))
            if not left:
                self.end()

    def end(self) -> None:
        """Say that the request is answered, if that was not said already: its body is at its end.

        Where the chunk at hand is known to be all of it, this takes the place of ``count``.
        """
        if not self._is_answered:
            self._is_answered = True
            record = self.record
            record.duration = monotonic() - record.began
            self._recorder.answer(record)

    def finish(self) -> None:
        """Say that the request has ended, if that was not said already."""
        if self._is_over:
            return
        self._is_over = True
        if not self._is_answered:
            self.end()
        record = self.record
        record.duration = monotonic() - record.began
        if record.thread == get_ident():
            record.cpu = thread_time() - record.cpu_began
        if self._is_bare:
            record.sent = 0
        self._recorder.finish(record)

    def _close_file(self, close: Callable[[], object] | None, size: int) -> None:
        if sys.exc_info()[1] is None:  # the server has sent all of it
            self.record.sent = size
        try:
            if close is not None:
                close()
        finally:
            self.finish()

    def __del__(self) -> None:
        """See that a response which nobody has closed is finished by the next request.

        Not here: this may run in the middle of anything, with any lock held.
        """
        if not self._is_over:
            self._is_over = True
            self.record.duration = monotonic() - self.record.began
            self._recorder.abandoned.append((self.record, self._is_answered))


class Nobody:
    """Takes the place of an answer where nobody asks what becomes of a response."""

    record = Record()

    def count(self, chunk: bytes) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""


class Telling:
    """A response that tells its answer by itself what `_Recorded` would tell of it.

    It calls ``count`` right before it hands over a chunk, and adds to ``record.sent`` right after;
    ``end`` when there are no more, or right before a chunk that is all of the body; ``finish`` when
    it is closed.
    """

    answer: Answer | Nobody = Nobody()


class _Recorded:
    """A response that a server iterates over."""

    __slots__ = ("_answer", "_response")

    def __init__(self, answer: Answer, response: Iterable[bytes]) -> None:
        self._answer, self._response = answer, response

    def __iter__(self) -> Iterator[bytes]:
        # Nothing is called here that need not be: it is a part of what each request costs.
        answer = self._answer
        record = answer.record
        for chunk in self._response:
            answer.count(chunk)
            yield chunk
            record.sent += len(chunk)
        answer.end()

    def close(self) -> None:
        try:
            if (close := getattr(self._response, "close", None)) is not None:
                close()
        finally:
            self._answer.finish()


def _rest(file: Any) -> int:
    """Return how many bytes there are to read of a file, where that can be known."""
    try:
        number = file.fileno()
        return os.fstat(number).st_size - os.lseek(number, 0, os.SEEK_CUR)
    except (AttributeError, OSError, ValueError):
        return 0
