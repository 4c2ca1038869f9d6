"""Interleaved measurements, and what they say.

A noisy machine is slow or fast for seconds at a time. What is compared is therefore measured in
turn, round by round, in an order that is reversed every round, and only figures of one round are
set against each other. The median over all rounds counts.

On hardware that is shared, what other machines take of it is in every figure, and in CPU time as
well: a thread that lost its processor comes back to cold caches, and may have had a lock that all
others wait for. Linux tells how much was taken (``steal``, proc_stat(5)). Sections that are judged
by small differences measure up to twice as many rounds as they need, and the calmer half counts,
whatever its figures are.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

Figure = TypeVar("Figure")


class Unmeasurable(Exception):
    """Something that a section needs is not on this machine; says how to get it."""


FEW = 9
"""Below this number of pairs the spread is the whole range: deciles would say nothing."""


def interleaved(
    cases: Mapping[str, Callable[[int], Figure]],
    rounds: int,
    *,
    warm_up: bool = True,
    calmer_half: bool = False,
) -> dict[str, list[Figure]]:
    """Measure every case once a round: A B C, C B A, A B C ...

    Args:
        cases: what to measure, by name; each is called with the number of the round.
        rounds: how many of them count.
        warm_up: begin with a round that does not count.
        calmer_half: go on, to twice as many rounds at most, until so many were left alone by other
            machines; those that count are the ones from which least was taken.
    """
    if warm_up:
        for measure in cases.values():
            measure(0)
    measured: list[tuple[float, dict[str, Figure]]] = []
    for number in range(2 * rounds if calmer_half else rounds):
        if [taken for taken, _ in measured].count(0.0) == rounds:
            break
        before = _taken()
        order = list(cases)[:: -1 if number % 2 else 1]
        figures = {name: cases[name](number) for name in order}
        measured.append((_share_taken(before, _taken()), figures))
    calmest = sorted(range(len(measured)), key=lambda number: measured[number][0])[:rounds]
    counted = [measured[number][1] for number in sorted(calmest)]
    return {name: [figures[name] for figures in counted] for name in cases}


def _taken() -> tuple[float, float]:
    """Return seconds that other machines have taken from this one's processors, and the time."""
    try:
        ticks = int(Path("/proc/stat").read_text().split(maxsplit=9)[8])
    except (OSError, ValueError, IndexError):  # no Linux: it does not say
        ticks = 0
    return ticks / os.sysconf("SC_CLK_TCK"), time.monotonic()


def _share_taken(before: tuple[float, float], after: tuple[float, float]) -> float:
    return (after[0] - before[0]) / (after[1] - before[1])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """Figures of two things, pair by pair.

    Attributes:
        what: the one that is judged; ``figures`` are its own, in the section's unit.
        beside: the one it is held against, with ``others``.
        by_difference: judged by how much more it is, not by how many times as much.
        at_most: the target for the median; None where there is none.
        at_least: the same from the other side.
        unit: of its figures, where the section has no unit for all.
    """

    what: str
    figures: Sequence[float]
    beside: str
    others: Sequence[float]
    by_difference: bool = False
    at_most: float | None = None
    at_least: float | None = None
    unit: str = ""

    @property
    def results(self) -> list[float]:
        """The ratio, or the difference, of each pair."""
        pairs = zip(self.figures, self.others, strict=True)
        if self.by_difference:
            return [figure - other for figure, other in pairs]
        return [figure / other for figure, other in pairs]

    @property
    def median(self) -> float:
        """What is held against the target."""
        return statistics.median(self.results)

    @property
    def spread(self) -> tuple[float, float]:
        """The first and the ninth decile; lowest and highest of few pairs."""
        results = self.results
        if len(results) < FEW:
            return min(results), max(results)
        deciles = statistics.quantiles(results, n=10, method="inclusive")
        return deciles[0], deciles[-1]

    @property
    def verdict(self) -> str:
        """``met`` or ``MISSED``; empty where there is no target."""
        if self.at_most is not None:
            return "met" if self.median <= self.at_most else "MISSED"
        if self.at_least is not None:
            return "met" if self.median >= self.at_least else "MISSED"
        return ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
    """What one section measured.

    Attributes:
        title: what the figures are.
        unit: of every figure, and of differences; empty where each comparison has its own.
        notes: what was done, for who reads the table.
        comparisons: the rows.
    """

    title: str
    unit: str
    notes: str
    comparisons: Sequence[Comparison]
