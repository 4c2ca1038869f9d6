"""Who is told of the requests of one process.

    recorder.entered     before the app is called, with its environ
    recorder.answered    right before the last byte is handed to the server
    recorder.finished    when the response is closed, or was cut; in a worker a little later

A client that has its answer finds it counted by whatever counts in ``answered``, and a process that
is killed has counted every answer that it gave; what goes on until the client has taken all of it
(bytes, CPU time) is known in ``finished``, which is told of several requests at once.
"""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from shared_utils.hosting.telemetry.backlog import Backlog
from shared_utils.hosting.telemetry.record import Record
from shared_utils.hosting.telling import say_aside

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger(__name__)

COMPLAIN_EVERY = 60.0
"""Seconds between two log lines about listeners that fail."""

Entered = Callable[[Record, "WSGIEnvironment"], object]
Answered = Callable[[Record], object]
Finished = Callable[[Sequence[Record]], object]


class Recorder:
    """The requests of one process, and who is told of them. A listener that raises does no harm.

    Attributes:
        running: requests that are being answered now.
        entered: called once for each request, before the app is.
        answered: called once for each request, in its thread: right before its last byte is handed
            to the server, else at its end.
        finished: called with requests that have ended, whatever has ended them, each once: with one
            in its thread, or after ``gather`` with several in another one.
        abandoned: requests whose responses were never closed, and whether they were answered; the
            next request finishes them.
    """

    def __init__(self) -> None:
        self.entered: list[Entered] = []
        self.answered: list[Answered] = []
        self.finished: list[Finished] = []
        self._complained_at = 0.0
        self._backlog: Backlog | None = None
        self.reset()

    def reset(self) -> None:
        """Begin anew: in a forked process nothing runs."""
        if self._backlog is not None:
            self._backlog.forget()
        self.running: set[Record] = set()
        self.abandoned: deque[tuple[Record, bool]] = deque()
        self._backlog = None

    def gather(self) -> None:
        """From here on, tell of requests that have ended in a thread of its own, some at once."""
        backlog = Backlog(self._tell)
        with contextlib.suppress(RuntimeError):  # no thread left: each goes on telling of itself
            backlog.start()
            self._backlog = backlog

    def settle(self, within: float) -> None:
        """Tell of all requests that have ended, and of further ones at once.

        Args:
            within: seconds after which it is given up.
        """
        backlog, self._backlog = self._backlog, None
        if backlog is not None:
            backlog.end(within)

    def enter(self, record: Record, environ: WSGIEnvironment) -> None:
        """Tell that a request is about to be answered."""
        for listener in self.entered:
            try:
                listener(record, environ)
            except Exception:
                self._complain()

    def finish_abandoned(self) -> None:
        """Tell that requests have ended whose responses were never closed."""
        with contextlib.suppress(IndexError):  # another request has taken the last one
            while True:
                abandoned, is_answered = self.abandoned.pop()
                if not is_answered:
                    self.answer(abandoned)
                self.finish(abandoned)

    def answer(self, record: Record) -> None:
        """Tell that a request is answered but for its last bytes."""
        for listener in self.answered:
            try:
                listener(record)
            except Exception:
                self._complain()

    def finish(self, record: Record) -> None:
        """Tell that a request has ended."""
        self.running.discard(record)
        if record.span is not None:
            try:
                record.span.leave(record)
            except Exception:
                self._complain()
        backlog = self._backlog
        if backlog is None:
            self._tell((record,))
        else:
            backlog.add(record)

    def _tell(self, records: Sequence[Record]) -> None:
        for listener in self.finished:
            try:
                listener(records)
            except BaseException:  # a handler of an app's may raise anything, and end no thread
                self._complain()

    def _complain(self) -> None:
        now = monotonic()
        if now - self._complained_at > COMPLAIN_EVERY:
            self._complained_at = now
            say_aside(
                logger, logging.ERROR, "a request was not recorded:\n%s", traceback.format_exc()
            )
