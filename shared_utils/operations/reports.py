"""What workers answer, as data: what runs in them, and how each mount is there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

HANGS_AFTER = 5.0
"""Seconds without an answer after which a request counts as hanging."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """A request that runs, or that has ended.

    Attributes:
        worker: process id of its worker.
        thread: the thread that it runs in.
        age: seconds since it began.
        status: what it was answered with; 0 before that.
        waited: seconds of these without a thread or a slot, or until its app was built.
        duration: seconds that it took; 0 while it runs.
        at: when it began (``time.time()``).
        failure: in a few words, what went wrong; empty where nothing is known to have.
    """

    worker: int
    app: str
    method: str
    path: str
    request_id: str
    client: str = ""
    thread: int = 0
    age: float = 0
    status: int = 0
    waited: float = 0
    duration: float = 0
    at: float = 0
    failure: str = ""

    @property
    def is_hanging(self) -> bool:
        """Whether it runs for long, and nothing was answered: what is being sent does not hang."""
        return not self.status and self.runs_for >= HANGS_AFTER

    @property
    def runs_for(self) -> float:
        """Seconds of its age but for waits that are over, which may be its neighbours' doing."""
        return self.age - self.waited


@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
    """What the last run of a health check came to.

    Attributes:
        name: what is checked.
        ok: it passed; None before its first run.
        detail: why it did not.
        seconds: how long it took.
    """

    name: str
    ok: bool | None = None
    detail: str = ""
    seconds: float = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mount:
    """What there is to say of a mount, in one worker or in all of them together.

    Attributes:
        required: the host is not ready without it.
        state: ``up``, ``lazy``, ``starting``, ``down`` or ``maintenance``.
        failure: why it is down.
        build_seconds: how long its last build took; None while there was none.
        message: the operator's, while it is in maintenance.
        running: slots that it has; ``parked``: requests that wait for one.
        checks: health checks of the app.
        last_error: its last request that failed.
    """

    name: str
    title: str
    prefix: str | None = None
    description: str = ""
    owner: str = ""
    contact: str = ""
    required: bool = False
    state: str = "up"
    failure: str = ""
    build_seconds: float | None = None
    message: str | None = None
    running: int = 0
    parked: int = 0
    checks: tuple[Check, ...] = ()
    last_error: Request | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class MountReport(Mount):
    """One mount in one worker.

    Attributes:
        build_state: as ``state``, but never ``maintenance``.
        threads: threads that it holds.
    """

    build_state: str = "up"
    threads: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorkerReport:
    """One worker.

    Attributes:
        pid: its process id.
        mounts: every mount, by name.
        running: the oldest of its requests.
    """

    pid: int
    mounts: Mapping[str, MountReport] = dataclasses.field(default_factory=dict)
    running: tuple[Request, ...] = ()


def read_worker(told: Mapping[str, Any]) -> WorkerReport:
    """Read a worker's answer; fields that this code does not know are passed over.

    Raises:
        KeyError, TypeError, ValueError: it is no such answer.
    """
    pid = int(told["pid"])
    return WorkerReport(
        pid=pid,
        mounts={name: _mount(pid, mount) for name, mount in told["mounts"].items()},
        running=tuple(read_request(pid, request) for request in told["running"]),
    )


def read_request(pid: int, told: Mapping[str, Any]) -> Request:
    """Read a request of a worker's answer."""
    return Request(**(_known(Request, told) | {"worker": pid}))


def _mount(pid: int, told: Mapping[str, Any]) -> MountReport:
    values = _known(MountReport, told)
    values["checks"] = tuple(Check(**_known(Check, check)) for check in told.get("checks", ()))
    error = told.get("last_error")
    values["last_error"] = read_request(pid, error) if error else None
    return MountReport(**values)


def _known(kind: type, told: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(kind)}
    return {key: value for key, value in told.items() if key in names}
