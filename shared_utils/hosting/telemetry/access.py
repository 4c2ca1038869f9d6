"""One line for each request, in the stream and the format of all others.

It is made by hand where the line goes the usual way, which takes a fifth of the time, and lines of
requests that have ended together are written together; where somebody has set up logging in another
way, it is a log record like any other.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from json.encoder import encode_basestring_ascii as quoted
from os import getpid
from time import gmtime, localtime, strftime
from typing import Any

from shared_utils.hosting.telemetry.record import Record, percent_encoded
from shared_utils.logging import JsonFormatter, LineHandler, TextFormatter, shown

logger = logging.getLogger("rowhouse.access")

LONGEST_PATH = 1000
"""Characters of a path that a line has. It is there twice, and a line of more than ``PIPE_BUF``
bytes could be torn by another process's (`LineHandler.write`)."""

# Id, path and trace are such that they need no quoting. By %, which takes four fifths of the time
# that an f-string takes for the same numbers.
_JSON = (
    '{"time": "%s.%03dZ", "level": "info", "logger": "rowhouse.access", "process": %d, '
    '"app": %s, "request_id": "%s", "message": "%s %s %s", "client": %s, "method": %s, '
    '"path": "%s", "status": %s, "duration_ms": %.3f, "waited_ms": %.3f, "cpu_ms": %.3f, '
    '"bytes": %d%s}'
)


class AccessLog:
    """Writes the lines of requests that have ended; a listener of a `Recorder`."""

    def __init__(self) -> None:
        # The second, and how the two formats write it; one object, since many threads look at it.
        self._time = (-1, "", "")

    def __call__(self, records: Sequence[Record]) -> None:
        """Write them, unless the logger ``rowhouse.access`` is set to pass on no such lines."""
        if not logger.isEnabledFor(logging.INFO):
            return
        handlers = logging.root.handlers
        if len(handlers) == 1 and type(handlers[0]) is LineHandler and _is_usual():
            kind = type(handlers[0].formatter)
            line_of = {JsonFormatter: self._json, TextFormatter: self._text}.get(kind)
            if line_of is not None:
                process = getpid()
                handlers[0].write(*[line_of(record, process) for record in records])
                return
        failure: Exception | None = None
        for record in records:
            try:
                logger.handle(_as_usual(record))
            except Exception as error:  # a handler of somebody's; the others' lines are written
                failure = error
        if failure is not None:
            raise failure

    def _json(self, record: Record, process: int) -> str:
        now = record.started_at + record.duration
        _, written, _ = self._written(int(now))
        trace = f', "trace_id": "{record.trace_id}"' if record.trace_id else ""
        app = quoted(record.app) if record.app else "null"
        method, path, status = quoted(record.method), _path(record), str(record.status)
        return _JSON % (
            written,
            now % 1 * 1000,
            process,
            app,
            record.request_id,
            method[1:-1],
            path,
            status,
            quoted(record.client),
            method,
            path,
            status,
            record.duration * 1e3,
            record.waited * 1e3,
            record.cpu * 1e3,
            record.sent,
            trace,
        )

    def _text(self, record: Record, process: int) -> str:
        now = record.ended_at
        _, _, written = self._written(int(now))
        app = f" {record.app}" if record.app else ""
        trace = f" trace {record.trace_id}" if record.trace_id else ""
        return shown(
            f"{written}.{int(now % 1 * 1000):03d} INFO    [{process}]{app} {record.request_id} "
            f"{record.method} {_path(record)} {record.status}, {record.sent} bytes "
            f"in {record.duration * 1e3:.1f} ms "
            f"({record.waited * 1e3:.1f} waiting, {record.cpu * 1e3:.1f} of CPU) "
            f"to {record.client or '-'}{trace}"
        )

    def _written(self, second: int) -> tuple[int, str, str]:
        kept = self._time
        if kept[0] != second:
            kept = self._time = (
                second,
                strftime("%Y-%m-%dT%H:%M:%S", gmtime(second)),
                strftime("%Y-%m-%d %H:%M:%S", localtime(second)),
            )
        return kept


def _path(record: Record) -> str:
    path = percent_encoded(record.raw_path)
    return path if len(path) <= LONGEST_PATH else f"{path[:LONGEST_PATH]}..."


def _is_usual() -> bool:
    """Say whether a record would reach the handlers of the root logger, and no others."""
    root, passing = logging.root, logger
    while passing is not root:
        if passing.handlers or passing.filters or passing.disabled or not passing.propagate:
            return False
        passing = passing.parent or root
    return True


def _as_usual(record: Record) -> logging.LogRecord:
    values = (record.method, _path(record), record.status)
    made = logger.makeRecord(
        logger.name, logging.INFO, __file__, 0, "%s %s %d", values, None, extra=_fields(record)
    )
    made.created, made.msecs = record.ended_at, int(record.ended_at % 1 * 1000)
    return made


def _fields(record: Record) -> dict[str, Any]:
    told = {
        "request_id": record.request_id,
        "app": record.app,
        "client": record.client,
        "method": record.method,
        "path": _path(record),
        "status": record.status,
        "duration_ms": round(record.duration * 1e3, 3),
        "waited_ms": round(record.waited * 1e3, 3),
        "cpu_ms": round(record.cpu * 1e3, 3),
        "bytes": record.sent,
    }
    return {**told, "trace_id": record.trace_id} if record.trace_id else told
