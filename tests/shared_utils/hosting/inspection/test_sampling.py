from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.metrics_core import CounterMetricFamily, Metric

from shared_utils.hosting.inspection.sampling import AGAIN, LOCK, TRIM_EVERY, Sampler
from shared_utils.operations import history

HOLD = """
import fcntl, sys
held = open(sys.argv[1], "wb")
fcntl.lockf(held, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def metrics() -> list[Metric]:
    family = CounterMetricFamily("rowhouse_requests", "", labels=["app", "status"])
    family.add_metric(["shop", "200"], 7)
    return [family]


@pytest.fixture
def sampler(tmp_path: Path) -> Sampler:
    return Sampler(tmp_path, metrics)


def written_at(folder: Path, at: float) -> None:
    os.utime(folder / history.FILE, (at, at))


def test_a_sample_is_taken_when_it_is_due_whoever_takes_it(
    sampler: Sampler, tmp_path: Path
) -> None:
    assert sampler.sample(1000) == history.EVERY
    written_at(tmp_path, 1000)
    other = Sampler(tmp_path, metrics)
    assert other.sample(1002) == history.EVERY - 2
    assert other.sample(1005) == history.EVERY
    samples = history.read(tmp_path / history.FILE, 0)
    assert [(sample.at, sample.apps["shop"].requests) for sample in samples] == [
        (1000, 7),
        (1005, 7),
    ]


def test_a_clock_that_was_set_back_stops_nothing(sampler: Sampler, tmp_path: Path) -> None:
    sampler.sample(5000)
    written_at(tmp_path, 5000)
    assert sampler.sample(1000) == history.EVERY


def test_one_process_samples_at_a_time(sampler: Sampler, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / LOCK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert sampler.sample(1000) == AGAIN
        assert not (tmp_path / history.FILE).exists()
        other.kill()
    assert sampler.sample(1000) == history.EVERY


def test_a_sample_that_fails_leaves_the_next_to_whoever_comes(tmp_path: Path) -> None:
    def fail() -> list[Metric]:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        Sampler(tmp_path, fail).sample(1000)
    assert Sampler(tmp_path, metrics).sample(1000) == history.EVERY


def test_the_file_does_not_grow_for_ever(sampler: Sampler, tmp_path: Path) -> None:
    for number in range(2 * TRIM_EVERY + 1):
        at = number * 60.0
        sampler.sample(at)
        written_at(tmp_path, at)
    kept = history.read(tmp_path / history.FILE, 0)
    assert len(kept) == history.KEPT / 60 + 1
