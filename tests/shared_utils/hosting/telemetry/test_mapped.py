from __future__ import annotations

import errno
import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

from shared_utils.hosting.telemetry.mapped import Mapped, reserve
from tests.running import REPOSITORY, clean_environment


def room_of(path: Path) -> int:
    """Return the bytes that a file has on the disk."""
    return path.stat().st_blocks * 512


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(number: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", fails)


def test_a_file_has_room_before_it_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "counter_1.db"
    file = Mapped(str(path))
    assert room_of(path) >= path.stat().st_size == 65536
    for number in range(2000):
        file.write_value(f"some key {number}", float(number), 0.0)
        assert room_of(path) >= path.stat().st_size
    file.close()
    assert path.stat().st_size > 65536
    read = {key.strip(): value for key, value, *_ in MmapedDict.read_all_values_from_file(path)}  # type: ignore[no-untyped-call]
    assert read == {f"some key {number}": number for number in range(2000)}


@pytest.mark.usefixtures("full")
def test_a_full_disk_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space"):
        Mapped(str(tmp_path / "counter_1.db"))
    assert not list(tmp_path.iterdir())


def test_a_disk_that_becomes_full_costs_no_value(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    file = Mapped(str(tmp_path / "counter_1.db"))
    file.write_value("first", 1.0, 0.0)
    request.getfixturevalue("full")
    with pytest.raises(OSError, match="No space"):
        file.write_value("k" * 65536, 1.0, 0.0)
    file.write_value("second", 2.0, 0.0)
    assert {key.strip(): value for key, value, _ in file.read_all_values()} == {
        "first": 1.0,
        "second": 2.0,
    }
    file.close()


def test_what_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "counter_1.db"
    file = Mapped(str(path))
    file.write_value("key", 3.0, 0.0)
    file.close()
    reserve(path)
    again = Mapped(str(path))
    assert again.read_value("key") == (3.0, 0.0)
    again.close()


def test_the_hosts_gauges_are_not_there_until_they_are_set(tmp_path: Path) -> None:
    own, other = '["rowhouse_app_up", "rowhouse_app_up", {}, "help"]', '["other", "other", {}, ""]'
    file = Mapped(str(tmp_path / "gauge_livemin_1.db"))
    assert file.read_value(own) == file.read_value(other) == (0.0, 0.0)
    assert [key.strip() for key, *_ in file.read_all_values()] == [other]
    file.write_value(own, 1.0, 5.0)
    assert file.read_value(own) == (1.0, 5.0)
    file.close()


COUNTING = """
import faulthandler, gc
from shared_utils.hosting.telemetry.metrics import know_processes

know_processes()
import prometheus_client

faulthandler.dump_traceback_later(20, exit=True)
clicks = prometheus_client.Counter("clicks", "Clicks.", ["by"])
mine = clicks.labels("finalizer")
key_of = prometheus_client.values.mmap_key

def collecting(*values):
    gc.collect()  # as may come at any time; here, the lock is held
    return key_of(*values)

class Finalized:
    def __del__(self):
        mine.inc()

prometheus_client.values.mmap_key = collecting
for number in range(10):
    cycle = Finalized()
    cycle.me = cycle
    del cycle
    clicks.labels(str(number)).inc()
assert mine._value.get() == 10
"""


def test_a_finalizer_that_counts_does_not_wait_for_its_own_thread(tmp_path: Path) -> None:
    environ = clean_environment() | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", COUNTING],
        env=environ,
        cwd=REPOSITORY,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr


def test_to_count_makes_nothing_that_the_garbage_collector_counts(tmp_path: Path) -> None:
    file = Mapped(str(tmp_path / "counter_1.db"))
    file.write_value("key", 1.0, 0.0)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        before = gc.get_count()[0]
        for number in range(1000):
            file.write_value("key", float(number), 0.0)
        made = gc.get_count()[0] - before
    finally:
        if was_enabled:
            gc.enable()
    assert made < 100
    file.close()
