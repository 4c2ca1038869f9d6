"""One process, open to the operator's console."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared_utils.forks import call_in_child
from shared_utils.hosting.inspection.answers import Answers
from shared_utils.hosting.inspection.folders import clear, folder_of
from shared_utils.hosting.inspection.listening import Listener
from shared_utils.hosting.inspection.recent import Recent
from shared_utils.hosting.inspection.sampling import Sampler
from shared_utils.hosting.row import Row

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric


class Inspection:
    """Answers the console, over a socket and within this process.

    It listens once ``start`` was called: by the server, or in a process of another kind by the
    console's first question.

    Args:
        row: the mounts of this process.
        collect: returns the metrics of all workers.
    """

    def __init__(self, row: Row, collect: Callable[[], Iterable[Metric]]) -> None:
        self._row, self._collect = row, collect
        self._run = row.settings.project.instance / "run"
        self._recent = Recent(row.mounts)
        self._is_started: bool
        self._master: int
        row.recorder.finished.append(self._recent.note)
        self._reset()
        call_in_child(self._reset)

    @property
    def pid(self) -> int:
        """This process."""
        return os.getpid()

    @property
    def folder(self) -> Path:
        """Where the sockets and the history of this host are."""
        return folder_of(self._run, self._master or os.getpid())

    def start(self, master: int = 0) -> None:
        """Listen, unless this process does so already.

        Args:
            master: the process that all workers of this host are children of; default: this one
                has no others beside it.
        """
        with self._starting:
            if self._is_started:
                return
            self._is_started, self._master = True, master
            self._row.checks.start()  # under other servers than gunicorn nobody else may have
            folder = self.folder
            sampler = Sampler(folder, self._collect)
            left_behind = [self._run]

            def tick() -> float:
                while left_behind:
                    clear(left_behind.pop(), folder)
                return sampler.sample(time.time())

            Listener(folder, self._answers.answer, tick).start()

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a question in the thread that asks."""
        self.start()
        return self._answers.answer(question)

    def _reset(self) -> None:
        self._recent.reset()
        self._answers = Answers(self._row, self._recent)
        self._starting = threading.Lock()
        self._is_started, self._master = False, 0
