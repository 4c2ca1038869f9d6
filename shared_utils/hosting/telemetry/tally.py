"""What every answer is counted in: that it was given, and how long that took.

It is part of what each request costs. prometheus_client takes a lock for each of its values, looks
each time whether the process has forked, and tries the buckets one after the other; here the three
values are changed in one step, in a fifth of the time.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from prometheus_client import Counter, Histogram

from shared_utils.hosting.telemetry.mapped import lock, place_of


class Tally:
    """Counts answers of one kind. For the process that has made it: not in a forked one.

    Args:
        counter: of these answers, with its labels.
        durations: of all answers of their app; others may count in it as well, by tallies alone.
    """

    __slots__ = ("_bounds", "_buckets", "_count", "_counts", "_sum", "_times")

    def __init__(self, counter: Counter, durations: Histogram) -> None:
        histogram: Any = durations
        self._counts, self._count = place_of(counter._value)
        self._times, self._sum = place_of(histogram._sum)
        self._buckets = [place_of(bucket)[1] for bucket in histogram._buckets]
        self._bounds = histogram._upper_bounds

    def add(self, seconds: float) -> None:
        """Count an answer, which took so long."""
        bucket = self._buckets[bisect_left(self._bounds, seconds)]
        lock.acquire()  # not by `with`, which takes longer
        try:
            self._counts.numbers[self._count] += 1.0
            times = self._times.numbers
            times[self._sum] += seconds
            times[bucket] += 1.0
        finally:
            lock.release()


class TallyInMemory:
    """The same, where values are not kept in files: a process that counts for itself."""

    def __init__(self, counter: Counter, durations: Histogram) -> None:
        self._counter, self._durations = counter, durations

    def add(self, seconds: float) -> None:
        """Count an answer, which took so long."""
        self._counter.inc()
        self._durations.observe(seconds)


def tally(counter: Counter, durations: Histogram) -> Tally | TallyInMemory:
    """Return what counts answers of one kind."""
    is_in_file = getattr(counter._value, "_multiprocess", False)
    return (Tally if is_in_file else TallyInMemory)(counter, durations)
