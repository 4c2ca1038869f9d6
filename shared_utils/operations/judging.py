"""Which app is in trouble, at a glance: in words, worst first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shared_utils.operations.rows import MountRow
from shared_utils.operations.verdicts import Kind, Verdict
from shared_utils.operations.wording import amount, percent, seconds

FAILS_FROM = 0.05
"""Part of the requests given to an app that end in 5xx, from which on it counts as failing."""
FEW_ERRORS = 2
"""Errors that are too few to say so."""
GREEDY_FROM = 0.5
"""Part of all CPU time from which on an app counts as greedy,"""
BUSY_FROM = 0.5
"""where it keeps so much of a core busy."""


def verdicts(row: MountRow, workers: int) -> list[Verdict]:
    """Return what is wrong with a mount, worst first.

    Args:
        row: the mount, in all workers together.
        workers: how many have answered.
    """
    return sorted(_found(row, workers), key=lambda verdict: -verdict.kind)


def _found(row: MountRow, workers: int) -> Iterable[Verdict]:
    figures = row.figures
    if row.down:
        where = "" if row.down == workers else f" in {row.down} of {workers} workers"
        why = f": {row.failure}" if row.failure else ""
        yield Verdict(kind=Kind.DOWN, words=f"Down{where}{why}")
    if row.hanging:
        requests = "1 request runs" if row.hanging == 1 else f"{row.hanging} requests run"
        words = f"Hanging: {requests} for up to {seconds(row.oldest)}"
        yield Verdict(kind=Kind.HANGING, words=words)
    elif figures.late:
        words = f"Hanging: {amount(figures.late)} ended past the deadline in the last seconds"
        yield Verdict(kind=Kind.HANGING, words=words)
    if row.state == "maintenance":
        told = f": {row.message}" if row.message else ""
        yield Verdict(kind=Kind.MAINTENANCE, words=f"In maintenance{told}")
    elif (
        row.state != "down"
        and (figures.error_rate or 0) >= FAILS_FROM
        and figures.errors > FEW_ERRORS
    ):
        words = f"Failing: {percent(figures.error_rate)} of requests end in an error"
        yield Verdict(kind=Kind.FAILING, words=words)
    if figures.shed:
        words = f"Shedding: {amount(figures.shed)} requests refused in the last seconds"
        yield Verdict(kind=Kind.SHEDDING, words=words)
    for check in row.failing_checks:
        words = f"Check fails: {check.name}" + (f": {check.detail}" if check.detail else "")
        yield Verdict(kind=Kind.CHECK, words=words)
    if (figures.cpu_share or 0) >= GREEDY_FROM and figures.cpu >= BUSY_FROM:
        share = percent(figures.cpu_share)
        words = f"Greedy: takes {share} of the CPU time, {figures.cpu:.1f} cores"
        yield Verdict(kind=Kind.GREEDY, words=words)
    if row.starting and not row.down:
        yield Verdict(kind=Kind.STARTING, words="Starting")


def worst_first(rows: Iterable[MountRow]) -> Sequence[MountRow]:
    """Return rows in the order in which an operator wants to look at them."""
    return sorted(rows, key=lambda row: (-_rank(row), row.title.casefold(), row.name))


def _rank(row: MountRow) -> int:
    return int(row.worst.kind) if row.worst and row.is_troubled else 0
