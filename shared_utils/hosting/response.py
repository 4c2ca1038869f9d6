"""gunicorn's response, on its way to the client in one step.

gunicorn sends the head of a response by itself and its body after that. Each call to the system
lets another thread have the interpreter, and each wakes the client. And what is the same in most
responses, the names of their headers and the second that they are of, is worked out once here.
"""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import formatdate
from time import time  # now: an app may replace it later

from gunicorn.http import wsgi

from shared_utils.hosting.known_headers import Outline
from shared_utils.hosting.known_names import KnownNames
from shared_utils.hosting.telemetry.own_headers import ID, LENGTH
from shared_utils.hosting.telemetry.record import current

TOGETHER = 16 * 1024
"""Bytes of a first chunk up to which it is copied behind the head."""

_WITH_EFFECTS = ("content-length", "upgrade")
"""Headers that gunicorn passes on, and does more with."""

_names = KnownNames()
"""Names of headers that were passed on before, and are no more than that; and `LENGTH`."""

_kept_date = (-1, "")


class Response(wsgi.Response):
    """A response whose head leaves together with the first bytes of its body."""

    headers: list[tuple[str, str]]
    _head = b""
    """The head, while it waits for what comes after it."""
    _written: tuple[object, str] = (None, "")
    """All headers, where they need no look, and their lines."""

    def process_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        """Take the headers of an app.

        Raises:
            ValueError, TypeError: there is one that no response may have, as gunicorn raises them.
        """
        known = current.get().to_send
        # gunicorn adds to the headers of a response that was replaced.
        if known is None or self.headers or headers != known[0]:
            self._written = None, ""
            self._look_at(headers)
            return
        whole, length, number, outline = known
        if outline.lines is None:
            self._look_at(headers)
            if self.headers == whole:  # all are passed on as they are
                outline.lines = _lines_of(outline)
        else:
            # As that does it, without a look: the wall has looked at them, or the host made them.
            self.headers, self.response_length = whole, length
            before, after = outline.lines
            self._written = whole, f"{before}{number}{after}{ID}: {whole[-1][1]}\r\n"

    def _look_at(self, headers: Iterable[tuple[str, str]]) -> None:
        for name, value in headers:
            # Exactly text: an app's own class may say of itself that it is what is known.
            if (
                type(name) is type(value) is str
                and name in _names
                and wsgi.HEADER_VALUE_RE.fullmatch(value)
            ):
                value = value.strip(" \t")
                if name == LENGTH:
                    self.response_length = int(value)
                self.headers.append((name, value))
                continue
            taken = len(self.headers)
            super().process_headers([(name, value)])
            is_plain = len(self.headers) > taken and name.lower() not in _WITH_EFFECTS
            if is_plain or name == LENGTH:
                _names.learn(name)

    def default_headers(self) -> list[str]:
        """Return the status line and the headers that every response has."""
        kept = "close" if self.should_close() else "keep-alive"
        connection = "upgrade" if self.upgrade else kept
        version: tuple[int, int] = self.req.version  # type: ignore[assignment]
        lines = [
            f"HTTP/{version[0]}.{version[1]} {self.status!s}\r\nServer: {self.version}\r\n"
            f"Date: {_date()}\r\nConnection: {connection}\r\n"
        ]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked\r\n")
        return lines

    def send_headers(self) -> None:
        """Send the head, unless that was done."""
        if not self.headers_sent:
            self._make_head()
            self._send_head()

    def write(self, arg: bytes) -> None:
        """Send bytes of the body, and the head before them."""
        if self.headers_sent:
            super().write(arg)
            return
        self._make_head()
        try:
            super().write(arg)
        finally:
            if self._head:  # no body has followed it
                self._send_head()

    def _emit_body(self, data: bytes) -> None:
        if not self._head:
            super()._emit_body(data)  # type: ignore[misc]
        elif len(data) > TOGETHER:
            self._send_head()
            super()._emit_body(data)  # type: ignore[misc]
        elif self.chunked:
            self._send_head(b"%X\r\n" % len(data), data, b"\r\n")
        else:
            self._send_head(data)

    def _make_head(self) -> None:
        lines = self.default_headers()
        known, known_lines = self._written
        lines.append(known_lines if self.headers is known else _lines(self.headers))
        self._head = f"{''.join(lines)}\r\n".encode("latin-1")
        self.headers_sent = True

    def _send_head(self, *following: bytes) -> None:
        head, self._head = self._head, b""
        try:
            self.sock.sendall(b"".join((head, *following)))
        except BaseException:
            self.headers_sent = False  # an app may have another try
            raise


def _lines_of(outline: Outline) -> tuple[str, str]:
    """Return the lines up to the number in ``Content-Length``, and behind it."""
    before = _lines(outline.before)
    after = _lines([*outline.after, *(outline.missing or ())])
    return (f"{before}{LENGTH}: ", f"\r\n{after}") if outline.has_length else ("", before + after)


def _lines(headers: Iterable[tuple[str, str]]) -> str:
    # Not by an f-string: that calls ``__format__`` of an app's own kind of text.
    return "".join(["%s: %s\r\n" % header for header in headers])  # noqa: UP031


def _date() -> str:
    """Return the time as HTTP writes it: RFC 9110, section 5.6.7."""
    global _kept_date
    second, written = _kept_date
    now = int(time())
    if now != second:
        written = formatdate(now, usegmt=True)
        _kept_date = (now, written)
    return written
