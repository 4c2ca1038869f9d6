"""One mount as a row of a table: what all workers say of it, put together."""

from __future__ import annotations

import dataclasses

from shared_utils.operations.figures import Figures
from shared_utils.operations.reports import Check, Mount
from shared_utils.operations.verdicts import Kind, Verdict


@dataclasses.dataclass(frozen=True, kw_only=True)
class MountRow(Mount):
    """One mount, in all workers together: sums, and the slowest of its last builds.

    Attributes:
        state: the worst that a worker says; ``maintenance`` before ``down``.
        checks: each as it is where it is worst.
        down: in how many workers it is down; ``starting``: likewise.
        hanging: requests that run for long without an answer.
        oldest: seconds of the oldest of them.
        figures: of the last seconds.
        verdicts: what is wrong with it, worst first.
    """

    down: int = 0
    starting: int = 0
    hanging: int = 0
    oldest: float = 0
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

    @property
    def is_troubled(self) -> bool:
        """Whether an operator has to look at it: not while it starts, or is closed on purpose."""
        return self.worst is not None and self.worst.kind > Kind.STARTING
