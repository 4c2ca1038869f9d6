"""The figures of a mount as every table of them has them."""

from __future__ import annotations

import dataclasses

from shared_utils.operations.rows import MountRow
from shared_utils.operations.verdicts import Kind
from shared_utils.operations.wording import amount, percent, rate, seconds

HEADINGS = ("Req/s", "Errors", "p50", "p99", "Running", "Parked", "Shed", "CPU")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """One figure, in words.

    Attributes:
        heading: one of ``HEADINGS``.
        shown: the figure.
        is_culprit: something is wrong with the mount, and it is this figure that shows it.
    """

    heading: str
    shown: str
    is_culprit: bool


def columns(row: MountRow) -> list[Column]:
    """Return the figures of a mount, in the order of ``HEADINGS``."""
    figures, wrong = row.figures, {verdict.kind for verdict in row.verdicts}
    shown = (
        (rate(figures.rate), None),
        (percent(figures.error_rate), Kind.FAILING),
        (seconds(figures.p50), None),
        (seconds(figures.p99), None),
        (amount(row.running), Kind.HANGING),
        (amount(row.parked), None),
        (amount(figures.shed), Kind.SHEDDING),
        (percent(figures.cpu_share), Kind.GREEDY),
    )
    return [
        Column(heading=heading, shown=words, is_culprit=kind in wrong)
        for heading, (words, kind) in zip(HEADINGS, shown, strict=True)
    ]
