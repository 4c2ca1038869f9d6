"""The last 15 minutes: samples of the totals, one a line, in a file that one process writes.

Which process that is may change from one sample to the next (``sampling.py`` of the host); so the
file outlives every worker.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared_utils.operations.figures import Sample, between
from shared_utils.operations.totals import Total

EVERY = 5.0
"""Seconds between two samples."""
KEPT = 15 * 60.0
"""Seconds that they are kept."""
LONGEST = 16 * 1024 * 1024
"""Bytes that the file may have: what is older is dropped then, however young it is."""

FILE = "history.jsonl"

_PLAIN = tuple(
    field.name for field in dataclasses.fields(Total) if field.name not in ("bounds", "counts")
)


def append(path: Path, sample: Sample) -> None:
    """Add a sample, in one write. The file is written by one process at a time.

    Raises:
        OSError: the file cannot be written.
    """
    line = json.dumps(_written(sample), separators=(",", ":"))
    with path.open("ab", buffering=0) as file:
        file.write(line.encode() + b"\n")


def trim(path: Path, now: float) -> None:
    """Drop what is older than ``KEPT``.

    Raises:
        OSError: the file cannot be written.
    """
    lines = path.read_bytes().splitlines(keepends=True)
    young = [line for line in lines if (told := _read(line)) and told.at >= now - KEPT]
    while young and sum(map(len, young)) > LONGEST // 2:
        young = young[len(young) // 2 + 1 :]
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(b"".join(young))
    draft.replace(path)


def read(path: Path, since: float) -> list[Sample]:
    """Return the samples since then, oldest first; none where there is no file.

    What is not a sample is passed over: a line may be half written.
    """
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - LONGEST))
            lines = file.read().splitlines()
    except OSError:
        return []
    found: list[Sample] = []
    for line in reversed(lines):
        sample = _read(line)
        if sample is None:
            continue
        if sample.at < since:
            break
        found.append(sample)
    return found[::-1]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Series:
    """What a chart draws: a moment, and for each app what it was between that and the one before.

    Attributes:
        at: seconds since the epoch.
        apps: by app and figure (``rate``, ``error_rate``, ``p50``, ``p99``, ``running``,
            ``parked``, ``shed_rate``, ``cpu_share``), a value for each moment; None where there is
            none.
    """

    at: list[float]
    apps: Mapping[str, Mapping[str, list[float | None]]]


FIGURES = ("rate", "error_rate", "p50", "p99", "running", "parked", "shed_rate", "cpu_share")


def series(samples: list[Sample], only: str = "") -> Series:
    """Return the series of all apps, or of ``only`` one; gaps in the sampling hold None."""
    names = sorted({app for sample in samples for app in sample.apps if only in ("", app)})
    at: list[float] = []
    apps: dict[str, dict[str, list[float | None]]] = {
        name: {figure: [] for figure in FIGURES} for name in names
    }
    for older, newer in itertools.pairwise(samples):
        if newer.at - older.at > 3 * EVERY:
            _add(at, apps, older.at + EVERY, {})
        _add(at, apps, newer.at, between(older, newer, only))
    return Series(at=at, apps=apps)


def _add(
    at: list[float],
    apps: dict[str, dict[str, list[float | None]]],
    moment: float,
    figures: Mapping[str, Any],
) -> None:
    at.append(round(moment, 1))
    for name, columns in apps.items():
        for figure, column in columns.items():
            value = getattr(figures.get(name), figure, None)
            column.append(None if value is None else round(value, 4))


def _written(sample: Sample) -> dict[str, Any]:
    return {
        "at": round(sample.at, 3),
        "apps": {
            app: {
                **{key: value for key in _PLAIN if (value := getattr(total, key))},
                # JSON has no infinity: the last bound is always that.
                "bounds": [bound for bound in total.bounds if not math.isinf(bound)],
                "counts": total.counts,
            }
            for app, total in sample.apps.items()
        },
    }


def _read(line: bytes) -> Sample | None:
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
        told = json.loads(line)
        return Sample(
            at=float(told["at"]),
            apps={app: _total(values) for app, values in told["apps"].items()},
        )
    return None


def _total(told: Mapping[str, Any]) -> Total:
    counts = tuple(told["counts"])
    bounds = (*told["bounds"], math.inf) if counts else ()
    if len(bounds) != len(counts):
        raise ValueError("bounds and counts do not go together")
    return Total(**{key: told[key] for key in _PLAIN if key in told}, bounds=bounds, counts=counts)
