"""One mount as a row of a table: what all workers say of it, put together."""

from __future__ import annotations

import dataclasses

from shared_utils.operations.figures import Figures
from shared_utils.operations.reports import Check, Request
from shared_utils.operations.verdicts import Verdict


@dataclasses.dataclass(frozen=True, kw_only=True)
class MountRow:
    """One mount, in all workers together.

    Attributes:
        state: the worst that a worker says; ``maintenance`` before ``down``.
        down: in how many workers it is down; ``starting``: likewise.
        failure: why it is down.
        message: the operator's, while it is in maintenance.
        build_seconds: the slowest of its last builds; None where there was none.
        running, parked, threads: sums.
        hanging: requests that run for long without an answer.
        oldest: seconds of the oldest of them.
        failing_checks: health checks that fail somewhere; ``checks``: all of them.
        last_error: its last request that failed.
        figures: of the last seconds.
        verdicts: what is wrong with it, worst first.
    """

    name: str
    title: str
    prefix: str | None = None
    description: str = ""
    owner: str = ""
    contact: str = ""
    required: bool = False
    state: str = "up"
    down: int = 0
    starting: int = 0
    failure: str = ""
    message: str | None = None
    build_seconds: float | None = None
    running: int = 0
    parked: int = 0
    threads: int = 0
    hanging: int = 0
    oldest: float = 0
    checks: tuple[Check, ...] = ()
    last_error: Request | None = None
    figures: Figures = dataclasses.field(default_factory=Figures)
    verdicts: tuple[Verdict, ...] = ()

    @property
    def failing_checks(self) -> tuple[Check, ...]:
        """Health checks that fail."""
        return tuple(check for check in self.checks if check.ok is False)

    @property
    def worst(self) -> Verdict | None:
        """What is most wrong with it."""
        return self.verdicts[0] if self.verdicts else None
