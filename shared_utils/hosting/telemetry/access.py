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

from shared_utils.hosting.telemetry.record import Record, is_unusual, percent_encoded
from shared_utils.logging import JsonFormatter, LineHandler, TextFormatter, shown

logger = logging.getLogger("rowhouse.access")

LONGEST_PATH = 1000
"""Characters of a path that a line has. It is there twice, and a line of more than ``PIPE_BUF``
bytes could be torn by another process's (`LineHandler.write`)."""

_THOUSANDTHS = [f"{number:03}" for number in range(1000)]
"""To look a number up takes half as long as to format it, and a third of what a float takes."""


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
            lines_of = {JsonFormatter: self._json, TextFormatter: self._text}.get(kind)
            if lines_of is not None:
                handlers[0].write(*lines_of(records))
                return
        failure: Exception | None = None
        for record in records:
            try:
                logger.handle(_as_usual(record))
            except Exception as error:  # a handler of somebody's; the others' lines are written
                failure = error
        if failure is not None:
            raise failure

    def _json(self, records: Sequence[Record]) -> list[str]:
        # What lines of one app, method and status have in common is put together once. Nothing is
        # called for each of them that need not be.
        lines: list[str] = []
        common: dict[tuple[str, str, int], tuple[str, ...]] = {}
        process, parts = getpid(), _THOUSANDTHS
        for record in records:
            duration, path = record.duration, record.raw_path
            now = record.started_at + duration
            second, written, _ = self._time
            if second != int(now):
                _, written, _ = self._written(int(now))
            kind = record.app, record.method, record.status
            shared = common.get(kind)
            if shared is None:
                shared = common[kind] = _common(process, *kind)
            head, message, client, method, status = shared
            if is_unusual(path) or len(path) > LONGEST_PATH:
                path = _path(record)
            lasted = int(duration * 1e6 + 0.5)
            waited = int(record.waited * 1e6 + 0.5)
            cpu = int(record.cpu * 1e6 + 0.5)
            trace = f', "trace_id": "{record.trace_id}"' if record.trace_id else ""
            lines.append(
                f'{{"time": "{written}.{parts[int(now % 1 * 1000)]}{head}{record.request_id}'
                f"{message}{path}{client}{quoted(record.client)}{method}{path}{status}"
                f'{lasted // 1000}.{parts[lasted % 1000]}, "waited_ms": '
                f'{waited // 1000}.{parts[waited % 1000]}, "cpu_ms": '
                f'{cpu // 1000}.{parts[cpu % 1000]}, "bytes": {record.sent}{trace}}}'
            )
        return lines

    def _text(self, records: Sequence[Record]) -> list[str]:
        process, lines = getpid(), []
        for record in records:
            now = record.ended_at
            _, _, written = self._written(int(now))
            app = f" {record.app}" if record.app else ""
            trace = f" trace {record.trace_id}" if record.trace_id else ""
            line = (
                f"{written}.{int(now % 1 * 1000):03d} INFO    [{process}]{app} {record.request_id} "
                f"{record.method} {_path(record)} {record.status}, {record.sent} bytes "
                f"in {record.duration * 1e3:.1f} ms "
                f"({record.waited * 1e3:.1f} waiting, {record.cpu * 1e3:.1f} of CPU) "
                f"to {record.client or '-'}{trace}"
            )
            lines.append(shown(line))
        return lines

    def _written(self, second: int) -> tuple[int, str, str]:
        kept = self._time
        if kept[0] != second:
            kept = self._time = (
                second,
                strftime("%Y-%m-%dT%H:%M:%S", gmtime(second)),
                strftime("%Y-%m-%d %H:%M:%S", localtime(second)),
            )
        return kept


def _common(process: int, app: str, method: str, status: int) -> tuple[str, ...]:
    """Return what stands in a line after its time, its id, its path, the client and its path again.

    Of these five, the client alone has to be quoted.
    """
    asked = quoted(method)
    return (
        f'Z", "level": "info", "logger": "rowhouse.access", "process": {process}, '
        f'"app": {quoted(app) if app else "null"}, "request_id": "',
        f'", "message": "{asked[1:-1]} ',
        f' {status}", "client": ',
        f', "method": {asked}, "path": "',
        f'", "status": {status}, "duration_ms": ',
    )


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
