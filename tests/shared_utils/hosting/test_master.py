from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from shared_utils.hosting import marks, master


@pytest.mark.parametrize(
    ("failed_boots", "workers", "seconds"),
    [
        (0, 2, 0),
        (1, 1, 1),
        (2, 1, 2),
        (3, 1, 4),
        (7, 1, 60),
        (100_000, 1, 60),
        (1, 2, 1),
        (2, 2, 1),
        (3, 2, 2),
        (1, 0, 1),
    ],
)
def test_the_pause_doubles_from_one_second_to_sixty(
    failed_boots: int, workers: int, seconds: float
) -> None:
    assert master.pause(failed_boots, workers) == seconds


def test_no_exit_code_is_taken_for_a_failed_boot() -> None:
    arbiter = SimpleNamespace(WORKER_BOOT_ERROR=3, APP_LOAD_ERROR=4)
    master.outlive_workers(arbiter)
    assert {arbiter.WORKER_BOOT_ERROR, arbiter.APP_LOAD_ERROR}.isdisjoint(range(256))


def test_a_worker_that_served_ends_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(master, "_failed_boots", 0)

    def end(*, booted: bool = False, called_off: bool = False) -> int:
        worker: Any = SimpleNamespace()
        marks.give(worker)
        if booted:
            marks.mark_booted(worker)
        if called_off:
            marks.call_off(worker)
        master.count_exit(worker)
        return master._failed_boots

    assert [end(booted=served) for served in (False, False, True, False)] == [1, 2, 0, 1]
    assert end(called_off=True) == 1  # it was told to end
