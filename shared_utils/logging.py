"""One format for every log line, with the request's id and the app's name on it.

Text where a person reads along on a terminal, one JSON object a line elsewhere. Nothing that is
logged can pose as a line of its own, or speak to the terminal: what could is written as an escape.
"""

from __future__ import annotations

import contextvars
import datetime
import io
import json
import logging
import logging.config
import os
import re
import select
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TextIO

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")
"""Id of the request that is being answered; empty outside of one."""

app_name: contextvars.ContextVar[str] = contextvars.ContextVar("app_name", default="")
"""Name of the mount that is at work; empty in the host itself."""

trace_parent: contextvars.ContextVar[str] = contextvars.ContextVar("trace_parent", default="")
"""W3C ``traceparent`` of the request that is being answered; empty where it is part of no trace."""

CONTEXT = (request_id, app_name, trace_parent)
"""All that a log line tells of what it was written for."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""Werkzeug's development server colours its lines, whoever reads them."""
_UNSAFE = re.compile(
    # Control characters, line breaks of Unicode, and marks that turn the direction of writing.
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
CONTINUED = "\n  | "
"""Before each further line of a message, such as those of a traceback, where it is text."""
_EMPTY = logging.makeLogRecord({}).__dict__.keys() | {
    "message",
    "asctime",
    "request_id",
    "app",
    "where",
}


def shown(text: str) -> str:
    """Return text as a line for people may have it; a line break begins an indented line."""
    text = _COLOUR.sub("", text)
    return _UNSAFE.sub(_escaped, text).replace("\n", CONTINUED)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


class ContextFilter(logging.Filter):
    """Put ``request_id`` and ``app`` on a record, from the context that it is written in.

    ``trace_id`` as well, where there is a trace.
    """

    def filter(self, record: logging.LogRecord) -> Literal[True]:
        """Add them, unless ``extra`` gave them; keep every record."""
        record.__dict__.setdefault("request_id", request_id.get())
        record.__dict__.setdefault("app", app_name.get())
        if trace := trace_parent.get():
            record.__dict__.setdefault("trace_id", trace[3:35])
        return True


class TextFormatter(logging.Formatter):
    """A line for people: time, level, process, app and request id, message.

    What follows a line break in a message or a traceback is indented.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s [%(process)d]%(where)s %(message)s")
        self.default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with app and request id where there are any."""
        where = (getattr(record, "app", ""), getattr(record, "request_id", ""))
        record.where = "".join(f" {part}" for part in where if part)
        return shown(super().format(record))


class JsonFormatter(logging.Formatter):
    """A JSON object on one line; what is passed by ``extra`` is part of it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        written = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line: dict[str, Any] = {
            "time": written.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "app": getattr(record, "app", "") or None,
            "request_id": getattr(record, "request_id", "") or None,
            "message": _COLOUR.sub("", record.getMessage()),
        }
        line |= {k: v for k, v in record.__dict__.items() if k not in _EMPTY and k not in line}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        elif record.stack_info:
            line["traceback"] = record.stack_info
        line = {key: value for key, value in line.items() if value is not None}
        try:
            return json.dumps(line, default=str, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            # What an app passes by `extra` may be no JSON; its line is written all the same.
            return json.dumps({key: _plain(value) for key, value in line.items()})


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int) else repr(value)


class LineHandler(logging.StreamHandler[TextIO]):
    """Write a line for each record, which is formatted before the lock is taken.

    All apps share that lock, and what is formatted may be an app's: an object whose ``str()`` asks
    a database, or hangs, would keep every neighbour from logging.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._at_once = _at_once(stream)

    def handle(self, record: logging.LogRecord) -> bool:
        """Write the line of a record that passes the filters."""
        if not self.filter(record):
            return False
        try:
            self.write(self.format(record))
        except Exception:
            self.handleError(record)
        return True

    def write(self, *lines: str) -> None:
        """Write lines that are formatted already, many in one call.

        Into the same pipe other processes write between two calls, and between two parts of one
        that is longer than ``PIPE_BUF`` (POSIX, write()): so none is torn that is not longer by
        itself. A file takes any length in one.

        Raises:
            OSError: the stream did not take all of them; it was given each.
        """
        failure: OSError | None = None
        for piece in self._pieces(lines):
            try:
                self._write(piece)
            except OSError as error:
                failure = error
        if failure is not None:
            raise failure

    def _pieces(self, lines: Sequence[str]) -> Iterator[Sequence[str]]:
        if not lines:
            return
        at_once, ending = self._at_once, len(self.terminator)
        most = 1 if all(map(str.isascii, lines)) else 10  # bytes of a character, as it is written
        if most * sum(map(len, lines)) + ending * len(lines) <= at_once:
            yield lines
            return
        begin = size = 0
        for number, length in enumerate(map(len, lines)):
            size += most * length + ending
            if size > at_once and number > begin:
                yield lines[begin:number]
                begin, size = number, most * length + ending
        yield lines[begin:]

    def _write(self, lines: Sequence[str]) -> None:
        text = self.terminator.join([*lines, ""])
        self.acquire()
        try:
            self.stream.write(text)
            self.flush()
        finally:
            self.release()


def _at_once(stream: TextIO) -> int:
    """Return how many bytes a stream takes in one call, whole."""
    try:
        is_file = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (AttributeError, OSError, ValueError):  # a stream that is none of the system's
        is_file = True
    return 64 * 1024 if is_file else select.PIPE_BUF


def configure_logging(
    stream: Literal["stdout", "stderr"] = "stdout", *, joined: Iterable[str] = ()
) -> None:
    """Send the lines of every logger to one stream, in one format.

    Args:
        joined: loggers that have handlers of their own, which are taken away.
    """
    target: TextIO = getattr(sys, stream)
    if isinstance(target, io.TextIOWrapper):
        target.reconfigure(errors="backslashreplace")  # what its encoding lacks stops no line
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"context": {"()": ContextFilter}},
            "formatters": {"line": {"()": TextFormatter if target.isatty() else JsonFormatter}},
            "handlers": {
                "stream": {
                    "()": LineHandler,
                    "stream": f"ext://sys.{stream}",
                    "filters": ["context"],
                    "formatter": "line",
                }
            },
            "root": {"level": "INFO", "handlers": ["stream"]},
            # Without a level: gunicorn has set its own by then, from its flags.
            "loggers": {name: {"handlers": [], "propagate": True} for name in joined},
        }
    )


def ensure_logging() -> None:
    """Configure logging, to stderr, where a server or a test runner has not done so."""
    if not logging.root.handlers:
        configure_logging("stderr")
