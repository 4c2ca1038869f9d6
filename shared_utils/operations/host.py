"""One host with all its workers, to be asked and to be told."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from flask import Flask

from shared_utils.operations import asking, history
from shared_utils.operations.figures import WINDOW, latest
from shared_utils.operations.overview import Overview, overview
from shared_utils.operations.reports import Request, WorkerReport, read_request, read_worker
from shared_utils.sibling import Inspected, sibling_of

FOLDER = "workers-of"
"""Where in ``instance/run`` the sockets are, followed by what names the master."""

_OLDEST = 3 * history.EVERY
"""Seconds after which a figure is no longer one of now."""

NOTICED = 2.0
"""Seconds that workers have to notice what is closed; they look twice a second."""


class NoHostError(LookupError):
    """No host serves that could be asked."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Route:
    """A rule of an app, with its prefix."""

    rule: str
    methods: tuple[str, ...]
    endpoint: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """A key of an app's config: its value as it may be shown, and the layer that it came from."""

    key: str
    value: str
    layer: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recent:
    """The last requests of one app in all workers.

    Attributes:
        slowest: the slowest of the last 15 minutes, slowest first.
        failed: the last that were answered with 5xx or cut off, newest first.
    """

    slowest: Sequence[Request]
    failed: Sequence[Request]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inside:
    """What one app is made of.

    Attributes:
        routes: its rules; none while it is not built, or where it is no Flask app.
        settings: its config, secrets masked.
    """

    routes: Sequence[Route] = ()
    settings: Sequence[Setting] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of an action.

    Attributes:
        done: workers that have done it.
        refused: why others have not, by process id.
    """

    done: int
    refused: Mapping[int, str]


class Operations:
    """A host to be asked.

    Args:
        folder: where its workers' sockets and its history are.
        own: this process, where it is one of the workers: it is asked without a socket.
    """

    def __init__(self, folder: Path, own: Inspected | None = None) -> None:
        self._folder, self._own = folder, own

    @classmethod
    def of(cls, app: Flask) -> Operations:
        """Return the host that ``app`` is mounted in; for an app alone, one that runs beside it.

        Raises:
            NoHostError: there is none.
        """
        own = sibling_of(app).host
        if own is not None:
            return cls(own.folder, own)
        return cls(_running(Path(app.instance_path) / "run"))

    def overview(self) -> Overview:
        """Return how every mount is."""
        workers, silent = self._workers()
        samples = history.read(self._folder / history.FILE, time.time() - WINDOW - _OLDEST)
        at = samples[-1].at if samples else None
        is_fresh = at is not None and time.time() - at <= _OLDEST
        return overview(workers, silent, latest(samples) if is_fresh else {}, at)

    def series(self, since: float = 0.0, app: str = "") -> history.Series:
        """Return the last 15 minutes.

        Args:
            since: what comes after this moment of a series; default: all.
            app: of this one alone.
        """
        # Figures lie between two samples; moments of a series are rounded to a tenth.
        first = max(time.time() - history.KEPT, since - 0.06)
        return history.series(history.read(self._folder / history.FILE, first), app)

    def running(self, name: str) -> Sequence[Request]:
        """Return the requests of an app that run, oldest first."""
        answers = self._ask({"ask": "running", "app": name})
        # Not by their age, which each worker tells of another moment: they would change places.
        return sorted(_requests(answers, "running"), key=lambda request: request.at)

    def recent(self, name: str) -> Recent | None:
        """Return what was slow and what has failed of an app; None where no worker has it."""
        answers = self._ask({"ask": "recent", "app": name})
        if not any(answers.values()):
            return None
        return Recent(
            slowest=sorted(_requests(answers, "slowest"), key=lambda request: -request.duration),
            failed=sorted(_requests(answers, "failed"), key=lambda request: -request.at),
        )

    def inside(self, name: str) -> Inside:
        """Return what an app is made of: as the first worker that answers has it."""
        inside = self._first({"ask": "inside", "app": name})
        return Inside(
            routes=[
                Route(rule=r["rule"], methods=tuple(r["methods"]), endpoint=r["endpoint"])
                for r in inside.get("routes", ())
            ],
            settings=[Setting(**setting) for setting in inside.get("settings", ())],
        )

    def stack(self, worker: int, thread: int, request_id: str) -> str | None:
        """Return where a request is, as a traceback; None where it does not run any more."""
        question = {"ask": "stack", "thread": thread, "request_id": request_id}
        stack = (self._ask(question, only=worker).get(worker) or {}).get("stack")
        return stack if isinstance(stack, str) else None

    def rebuild(self, name: str) -> Outcome:
        """Have a mount that is down be built again now, in every worker."""
        answers = self._ask({"do": "rebuild", "app": name})
        refused = {
            pid: "it does not answer" if told is None else str(told.get("refused"))
            for pid, told in answers.items()
            if told is None or "refused" in told
        }
        return Outcome(done=len(answers) - len(refused), refused=refused)

    def close(self, name: str, message: str = "") -> None:
        """Put a mount into maintenance, and wait until every worker that answers has noticed.

        Raises:
            ValueError: there is no such mount, or the message is too long.
            OSError: the folder of what is closed cannot be written.
        """
        self._switch({"do": "close", "app": name, "message": message})

    def open(self, name: str) -> None:
        """End the maintenance of a mount, and wait likewise.

        Raises:
            ValueError, OSError: as ``close`` does.
        """
        self._switch({"do": "open", "app": name})

    def _switch(self, question: Mapping[str, Any]) -> None:
        told = self._first(question)
        if "refused" in told:
            raise ValueError(told["refused"])
        if not told.get("done"):
            raise OSError(told.get("failed") or "no worker answers")
        name, is_closed, until = question["app"], question["do"] == "close", monotonic() + NOTICED
        while monotonic() < until:
            workers, _ = self._workers()
            mounts = [worker.mounts[name] for worker in workers if name in worker.mounts]
            if all((mount.state == "maintenance") == is_closed for mount in mounts):
                break
            sleep(0.1)

    def _workers(self) -> tuple[list[WorkerReport], list[int]]:
        answers = self._ask({"ask": "worker"})
        workers = []
        for told in answers.values():
            with contextlib.suppress(KeyError, TypeError, ValueError):
                if told is not None:
                    workers.append(read_worker(told))
        silent = answers.keys() - {worker.pid for worker in workers}
        return sorted(workers, key=lambda worker: worker.pid), sorted(silent)

    def _ask(
        self, question: Mapping[str, Any], *, only: int = 0
    ) -> dict[int, dict[str, Any] | None]:
        own = self._own
        if own is not None and only == own.pid:
            return {own.pid: own.answer(question)}
        answers = asking.ask(self._folder, question, only=only, leave_out=own.pid if own else 0)
        if own is not None and not only:
            answers[own.pid] = own.answer(question)
        return answers

    def _first(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Ask one worker: this process, else the first that answers."""
        if self._own is not None:
            return self._own.answer(question)
        for pid in asking.sockets(self._folder):
            if told := asking.ask(self._folder, question, only=pid).get(pid):
                return told
        return {}


def _requests(answers: Mapping[int, dict[str, Any] | None], key: str) -> list[Request]:
    return [
        read_request(pid, request)
        for pid, told in answers.items()
        if told is not None
        for request in told.get(key, ())
    ]


def _running(run: Path) -> Path:
    """Return the folder of the youngest host that answers; else of one whose workers all hang.

    Raises:
        NoHostError: there is none.
    """
    hanging: list[Path] = []
    for folder in sorted(run.glob(f"{FOLDER}-*"), key=_changed_at, reverse=True):
        answers = asking.ask(folder, asking.NOTHING)
        if any(answer is not None for answer in answers.values()):
            return folder
        if answers:
            hanging.append(folder)
    if hanging:
        return hanging[0]
    raise NoHostError(f"no host serves: there is none in {run}")


def _changed_at(folder: Path) -> float:
    """Return when a folder was changed; of one that is taken away meanwhile, long ago."""
    with contextlib.suppress(OSError):
        return folder.stat().st_mtime
    return 0.0
