"""A time that the pool sees, and how long tests of it wait."""

from __future__ import annotations

import dataclasses

import pytest

from shared_utils.hosting import pool

PATIENCE = 20.0
"""Seconds to wait for what comes within milliseconds: no test depends on this number."""


@dataclasses.dataclass
class Clock:
    """What the pool takes for the time, and for the CPU time that the process has used."""

    now: float = 1000.0
    used: float = 1.0

    def pass_by(self, seconds: float, *, busy: float) -> None:
        self.now += seconds
        self.used += seconds * busy


def stopped(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stop the time that the pool sees: it goes by where a test says so."""
    clock = Clock()
    monkeypatch.setattr(pool, "monotonic", lambda: clock.now)
    monkeypatch.setattr(pool, "process_time", lambda: clock.used)
    return clock
