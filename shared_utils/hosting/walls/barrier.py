"""The barrier: whatever an app does, the server gets a sound response, or cuts the connection.

An app's ``start_response`` is kept back until its first body chunk, so that a response which has
to be replaced sends one set of headers (PEP 3333, "The start_response() Callable").
"""

from __future__ import annotations

import contextlib
import logging
import os
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from threading import get_ident
from time import monotonic  # now: an app may replace it later
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import RequestEntityTooLarge

from shared_utils.hosting.cookies import Headers
from shared_utils.hosting.known_headers import Known
from shared_utils.hosting.settings.secrets import masked_text
from shared_utils.hosting.telemetry.answer import Telling
from shared_utils.hosting.telemetry.record import MOST_SAID, Record
from shared_utils.hosting.telling import told
from shared_utils.hosting.walls import refusals
from shared_utils.hosting.walls.body import Body
from shared_utils.hosting.walls.bulkhead import Bulkhead, Permit
from shared_utils.hosting.walls.cutting import cut
from shared_utils.hosting.walls.deadline import (
    WALLS,
    Clock,
    DeadlineExceeded,
    Terms,
    shown_path,
)
from shared_utils.hosting.walls.files import is_plain_file
from shared_utils.hosting.walls.soundness import Misuse, checked, shown

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

_END = object()
_FILE = object()
"""In place of a first chunk: the response is a file that the server sends by itself."""


class Exchange(Clock, Permit, Telling):
    """One request to an app, and its response: what the server iterates over.

    It is the clock and the permit of its request as well, and tells what becomes of it: each object
    less is a good part of what a wall costs. The slot is given back with the last byte of a known
    ``Content-Length``, the thread when the response is closed.

    Args:
        terms: those of the app.
        bulkhead: where it is held.
        record: what is known of it.
        environ: the request. The app gets a copy: nothing that it writes there reaches the server.
        start_response: the server's.
    """

    # Of the class, because making an exchange is a good part of what a wall costs.
    _headers: Headers
    _known: Known | None
    """What is known of them."""
    _left: int | None = None
    """Bytes of the ``Content-Length`` that are still to come; None where it is not known."""
    _is_offered = _is_complete = _has_ended = False
    _write_to_server: Callable[[bytes], object]
    _server_failure: BaseException | None = None
    _iterable: Any = None
    """What is to be closed."""
    _chunks: Iterator[bytes] | None = None
    _first: object = _END
    """The first chunk, until the response is closed or goes on behind it."""
    _whole: bytes | None = None
    """The first chunk, where it is all of the body."""

    def __init__(
        self,
        terms: Terms,
        bulkhead: Bulkhead,
        record: Record,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> None:
        # Not by calling the clock's and the permit's, for the same reason. But what is looked at in
        # each request is set here, since to find it in the class takes longer.
        self._terms, self._environ, self.limit = terms, environ, terms.deadline
        self.bulkhead, self._start_response = bulkhead, start_response
        self._record = record
        self._status: str | None = None
        self._body: Body | None = None
        self._spent = 0.0
        self._is_begun = self._is_over = self.exceeded = False
        # What an app leaves in context variables, such as Flask's own, is gone with its request.
        self._context = copy_context()

    def begin(self, app: WSGIApplication, blocks: bool = False) -> Iterable[bytes]:
        """Call the app and return the response, which is this exchange or a file to send.

        Args:
            app: the app.
            blocks: it is expected to wait for something, or was parked: it has no turn meanwhile.
        """
        environ = dict(self._environ)
        if "CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ:
            limit = self._terms.mount.limits.max_body
            self._body = Body(environ["wsgi.input"], limit, self)
            environ["wsgi.input"] = self._body.reader()
        if blocks:
            self.bulkhead.before_waiting()
        try:
            first = self._in_app(self._called, app, environ)
            if blocks:
                self.bulkhead.after_waiting()
            if first is _FILE:
                return self._sent_by_server()
            if type(first) is bytes and len(first) == self._left and not self._is_begun:
                # Most responses are one chunk: what is to be done with it, is done here.
                self._commit()
                self.stop()
                self._whole, self._left, self._has_ended = first, 0, True
            else:
                self._first = first
        except BaseException as error:
            self._chunks = None
            try:
                self._first = self._replaced(error)
            except BaseException:
                self.close()
                raise
        return self

    def __iter__(self) -> Iterator[bytes]:
        """Return the chunks of the body; what their iterator raises is for the server alone."""
        chunk = self._whole
        if chunk is None:
            yield from self._in_parts()
        else:
            answer = self.answer
            answer.end()
            yield chunk
            answer.record.sent += len(chunk)
            self._is_complete = True

    def _in_parts(self) -> Iterator[bytes]:
        answer = self.answer
        chunk, self._first = self._first, _END
        is_servers = False
        try:
            while chunk is not _END:
                counted = self._counted(chunk)
                answer.count(counted)
                is_servers = True  # what comes now, it does: it may have had enough
                yield counted
                is_servers = False
                answer.record.sent += len(counted)
                if self._chunks is None:  # it stands in place of the app's
                    break
                if self._left is not None and self._left <= 0:
                    self._is_complete = True
                    break
                chunk = self._in_app(next, self._chunks, _END)
            self._has_ended = True
            if self._server_failure is not None:
                raise self._server_failure
            if not self._is_begun or (self._left is not None and self._left > 0):
                self._end()
        except BaseException as error:
            if is_servers:
                raise
            replacement = self._replaced(error)
            answer.count(replacement)
            yield replacement
            answer.record.sent += len(replacement)
        answer.end()

    def close(self) -> None:
        """Close the app's response and give everything back, whatever that raises."""
        if self._is_over:
            return
        self._is_over = self._has_ended = True
        try:
            self._in_app(Exchange._close_response, self, self._is_complete)
        except BaseException as error:
            self._stop_clock()
            self._end_child(error)
            if self._terms.debug:
                raise
            self._log("failed in close(); its response stands", error)
        finally:
            self.let_go()
            # An app that keeps its environ keeps this, by the body that it may read there.
            self._body = self._server_failure = self._whole = None
            self._first = _END
            self.answer.finish()

    # The app at work.

    def _in_app(self, call: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:
        """Call code of the app on its own time.

        Raises:
            DeadlineExceeded: also where the app has failed by itself, and an interrupt was on its
                way. It may land on the way into ``pause``: whoever catches it stops the clock.
            BaseException: what the app raises.
        """
        if not self.limit:
            result = self._context.run(call, one, other)
        else:
            # As `resume` and `pause` do it: each call is a part of what all requests cost. Once it
            # is taken out of the table, it is seen here if the watchdog has ever done anything.
            self.thread = get_ident()
            watchdog = self._terms.watchdog
            running = watchdog.running
            running[self] = began = monotonic()
            if began > watchdog.due:
                watchdog.wake()
            try:
                result = self._context.run(call, one, other)
            except BaseException as error:
                self._end_child(error)
                self.pause()
                raise
            since = running.pop(self, None)
            if since is None or self._looking is not None:
                self._end_child()  # the watchdog that it would wait for is its parent's
                self.pause(since)
            else:
                self._spent += monotonic() - since
                self.thread = 0
        if self.shares.are_parents:
            self._end_child()
        return result

    def _called(self, app: WSGIApplication, environ: WSGIEnvironment) -> object:
        """Call the app up to its first chunk, and return that."""
        response = self._iterable = app(environ, self._start)
        is_wrapped = type(response) is self._environ.get("wsgi.file_wrapper")
        if is_wrapped and is_plain_file(getattr(response, "filelike", None), self._left):
            return _FILE
        try:
            chunks = self._chunks = iter(response)
        except TypeError:
            kind = type(response)
            if hasattr(kind, "__iter__") or hasattr(kind, "__getitem__"):  # it fails by itself
                raise
            raise Misuse(f"it returned {shown(response)}; return an iterable of bytes") from None
        first = next(chunks, _END)
        while first == b"":  # headers wait for a byte, as the deadline does
            first = next(chunks, _END)
        return first

    def _close_response(self, is_complete: bool) -> None:
        close = getattr(self._iterable, "close", None)
        try:
            if is_complete and self._chunks is not None:
                while (chunk := next(self._chunks, _END)) is not _END and chunk == b"":
                    pass
        finally:
            try:
                if close is not None:
                    close()
            finally:
                # These may lead back here: without them nothing waits for a garbage collection.
                # Here, because what they end may be a generator of the app that has to clean up.
                self._iterable = self._chunks = close = None

    # What the app calls.

    def _start(
        self, status: str, headers: Headers, exc_info: Any = None
    ) -> Callable[[bytes], object]:
        if exc_info:
            try:
                if self._is_begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self._status is not None:
            raise Misuse("it called start_response twice; pass exc_info to replace a response")
        status, headers, left, has_cookies, known = checked(status, headers)
        if has_cookies and (scoped := self._terms.scoped) is not None:
            headers = scoped(headers, self._environ["SCRIPT_NAME"])
        self._status, self._headers, self._left, self._known = status, headers, left, known
        return self._write

    def _write(self, data: bytes) -> None:
        self._end_child()
        if self._has_ended:  # the next response on this connection may be a neighbour's
            raise Misuse("it writes to a response that has ended")
        self.outside(self._written, data)

    def _written(self, data: bytes) -> None:
        chunk = self._counted(data)
        try:
            self._write_to_server(chunk)
        except BaseException as error:
            self._server_failure = error
            raise

    # The response on its way.

    def _end(self) -> None:
        """Pass on a response without a body; or find out that there should have been more of it."""
        if self._left and self._has_content():
            raise Misuse(f"its response is {self._left} bytes shorter than its Content-Length")
        if not self._is_begun:
            self._commit()

    def _counted(self, chunk: object) -> bytes:
        if self._server_failure is not None:  # nobody knows what of the last one has been sent
            raise self._server_failure
        if not isinstance(chunk, bytes):
            raise Misuse(f"its body is made of {shown(chunk)}; write bytes")
        if not self._is_begun:
            self._commit()
        if self._left is not None:
            self._left -= len(chunk)
            if self._left <= 0:
                self.stop()
        return chunk

    def _commit(self) -> None:
        """Pass status and headers on; from here on the response cannot be replaced."""
        if self._status is None:
            raise Misuse("it gave a body, but did not call start_response before")
        if self._body is not None and self._body.is_too_large and self._status[:3] != "413":
            raise RequestEntityTooLarge
        self._is_offered = True
        self._record.known = self._known
        self._write_to_server = self._start_response(self._status, self._headers)
        self._is_begun = True
        self.limit, self._spent = self._terms.stream_deadline, 0.0
        if self.exceeded:  # else there is nothing more to begin anew
            self.restart(self.limit)

    def _sent_by_server(self) -> Iterable[bytes]:
        """Return the server's own wrapper, so that it sends the file as it likes to."""
        file = self._iterable
        self._iterable = SimpleNamespace(close=getattr(file, "close", None))
        file.close = self.close
        self._commit()
        if self._left is not None:
            self.stop()
        return file  # type: ignore[no-any-return]

    def _has_content(self) -> bool:
        """Say whether the response has a body: RFC 9110, section 6.4.1."""
        status = self._status or ""
        is_without = status[:1] == "1" or status[:3] in ("204", "304")
        return self._environ["REQUEST_METHOD"] != "HEAD" and not is_without

    # Where the app fails.

    def _replaced(self, error: BaseException) -> bytes:
        """Return the body of a response in place of the app's; where it has begun, cut it.

        Raises:
            ConnectionError: the response has begun; for the server, which closes the connection.
            BaseException: what the server has raised: its client has gone, or sends nonsense; or
                StopIteration, from an app that has dealt with the connection by itself.
        """
        self._stop_clock()
        self._has_ended = True
        is_too_slow = self.exceeded  # whatever the app has made of the interrupt
        self.restart(self.limit if is_too_slow else 0)  # for what is still to be closed
        mount, environ, body = self._terms.mount, self._environ, self._body
        self._end_child(error)
        if error is self._server_failure or (body is not None and error is body.failure):
            raise error
        if isinstance(error, StopIteration) and self._status is None:
            raise error  # how WebSockets tell gunicorn that they have dealt with the connection
        if is_too_slow:
            self._record.failure = "DeadlineExceeded"
            replacement = refusals.too_slow(mount, environ)
        elif body is not None and body.is_too_large and not self._is_begun:
            replacement = refusals.too_large(mount, environ)
        else:
            if self._terms.debug:
                raise error
            self._log("breaks WSGI" if isinstance(error, Misuse) else "failed", error)
            replacement = refusals.failed(mount, environ)
        if self._is_begun:
            raise cut(environ, has_length=self._left is not None) from None
        chunks, status, headers = replacement.get_wsgi_response(environ)
        # Only where the server has refused the app's own: test clients raise what is given here.
        refused = (type(error), error, error.__traceback__) if self._is_offered else None
        self._start_response(status, headers, refused)  # type: ignore[arg-type]
        self._is_begun, self._left = True, None
        self.stop()
        return b"".join(chunks)

    def _end_child(self, error: BaseException | None = None) -> None:
        """End a child that the app has forked and let out of its code: it has nobody to answer."""
        if self.is_of_parent:
            code = error.code if isinstance(error, SystemExit) else int(error is not None)
            os._exit(code if type(code) is int else int(code is not None))

    def _stop_clock(self) -> None:
        with contextlib.suppress(DeadlineExceeded):
            self.pause()

    def _log(self, what: str, error: BaseException) -> None:
        """Log in the request's own context; nothing that the app has made may come of it."""
        environ = self._environ
        said, trace = told(error)
        if isinstance(error, Misuse):
            said, trace = str(error), trace if _is_raised_in_app(error) else ""
        self._record.failure = masked_text(said, MOST_SAID)
        with contextlib.suppress(BaseException):
            logger.error(
                "%s %s: %s %s: %s%s",
                environ["REQUEST_METHOD"],
                shown_path(environ),
                self._terms.mount.name,
                what,
                said,
                f"\n{trace}" if trace else "",
            )


def _is_raised_in_app(error: BaseException) -> bool:
    frames = traceback.walk_tb(error.__traceback__)
    return any(not frame.f_code.co_filename.startswith(WALLS) for frame, _ in frames)
