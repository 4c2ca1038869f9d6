"""The socket on which a worker answers the operator's console, and the thread that does so.

One question after the other, each bounded in size and time. The thread takes no slot and no lock
that a request needs.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic, sleep  # now: an app may replace them later
from typing import Any

from shared_utils.hosting.telling import say_aside
from shared_utils.operations import asking

logger = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds that one question and its answer may take on their way."""
BACKLOG = 16

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Listener:
    """Answers questions about this process, until it ends.

    Args:
        folder: where the socket is; only its owner may look into it.
        answer: answers a question; what it raises is logged.
        tick: called in between, in the same thread; returns the seconds until it wants to be
            called again.
    """

    def __init__(self, folder: Path, answer: Answer, tick: Callable[[], float]) -> None:
        self._folder, self._answer, self._tick = folder, answer, tick

    def start(self) -> None:
        """Begin to listen; where that cannot be, the log says so, and the worker serves on."""
        try:
            listening = bind(self._folder, os.getpid())
            thread = threading.Thread(
                target=self._run, args=[listening], name="rowhouse-inspection", daemon=True
            )
            thread.start()
        except (OSError, RuntimeError) as error:
            say_aside(logger, logging.WARNING, "the console cannot see this worker: %s", error)

    def _run(self, listening: socket.socket) -> None:
        due = monotonic()
        while True:
            try:
                if monotonic() >= due:
                    due = monotonic() + 5.0  # where it fails, not at once again
                    due = monotonic() + self._tick()
                listening.settimeout(max(due - monotonic(), 0.001))
                with contextlib.suppress(TimeoutError):
                    connection, _ = listening.accept()
                    with connection:
                        self._serve(connection)
            except BaseException:  # what it looks at is the apps' own
                told = traceback.format_exc()
                say_aside(logger, logging.ERROR, "the inspection stumbled, and goes on:\n%s", told)
                sleep(1.0)

    def _serve(self, connection: socket.socket) -> None:
        until = monotonic() + PATIENCE
        with contextlib.suppress(OSError, ValueError, asking.NoAnswerError):  # who asks has gone
            question = json.loads(asking.line_from(connection, until, asking.LONGEST_QUESTION))
            if not isinstance(question, dict):
                return
            line = json.dumps(self._answer(question)).encode() + b"\n"
            if len(line) <= asking.LONGEST_ANSWER:
                connection.settimeout(PATIENCE)
                connection.sendall(line)


def bind(folder: Path, pid: int) -> socket.socket:
    """Listen on a socket for this process, which its owner alone may use.

    It gets its name when it listens: whoever finds one on which nobody does takes it away.

    Raises:
        OSError: the folder cannot be written, or its path is too long on this system.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / f".{pid}.draft"
    draft.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    try:
        with asking.short(draft) as address:
            listening.bind(address)
        draft.chmod(0o600)
        listening.listen(BACKLOG)
        draft.replace(folder / f"{pid}{asking.SUFFIX}")
    except BaseException:
        listening.close()
        raise
    return listening
