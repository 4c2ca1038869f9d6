"""StatsD: gunicorn's own figures (``--statsd-host``), and beside them those of each app.

What is sent is sent by gunicorn's logger, over the one socket that it has: prefix, DogStatsD tags
and Unix sockets are as its flags say. Here that socket never blocks, and a server that is not there
costs nothing; gunicorn would log a traceback for every second figure.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from gunicorn.instrument import statsd

from shared_utils.hosting.telemetry.record import Record


class Statsd(statsd.Statsd):
    """gunicorn's logger that sends figures, but that it neither waits nor complains."""

    def _sock_send(self, msg: str | bytes) -> None:
        if self.sock is None:
            return
        if isinstance(msg, str):
            msg = msg.encode("ascii", "replace")
        if self.dogstatsd_tags:
            msg += b"|#" + self.dogstatsd_tags.encode("ascii", "replace")
        with contextlib.suppress(OSError):  # lost, as datagrams may be
            self.sock.send(msg)


def install(log: Any) -> None:
    """Have gunicorn's logger send as this module does, where it is one that sends."""
    if isinstance(log, statsd.Statsd):
        log.__class__ = Statsd
        if log.sock is not None:
            log.sock.setblocking(False)


class AppFigures:
    """Sends the figures of each app; a listener of a `Recorder`.

    Args:
        log: gunicorn's logger.
    """

    def __init__(self, log: statsd.Statsd) -> None:
        self._log = log

    def __call__(self, records: Sequence[Record]) -> None:
        """Send how long each request took, and its status."""
        for record in records:
            if record.app:
                log, name = self._log, f"app.{record.app}.request"
                log.timer(f"{name}.duration", round(record.duration * 1e3, 3))
                log.increment(f"{name}.status.{record.status}", 1)
