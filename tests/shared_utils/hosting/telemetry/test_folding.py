from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from shared_utils.hosting.telemetry import directory, folding
from tests.running import REPOSITORY

LIVING = 1_000_000
"""Numbers from here on are of processes that live, in these tests."""


def write(folder: Path, kind: str, pid: int, values: dict[str, float], at: float = 0.0) -> None:
    made: Any = MmapedDict
    file = made(str(folder / f"{kind}_{pid}.db"))
    typ = kind.partition("_")[0]
    for app, value in values.items():
        file.write_value(mmap_key(f"some_{typ}", f"some_{typ}", ["app"], [app], "help"), value, at)
    file.close()


def told(folder: Path, typ: str = "counter") -> dict[str, float]:
    return {
        sample.labels["app"]: sample.value
        for metric in folding.read(folder)
        for sample in metric.samples
        if sample.name == f"some_{typ}"
    }


def fold(folder: Path) -> None:
    folding.fold(folder, lambda pid: pid >= LIVING)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.db")}


def test_what_ended_processes_have_counted_stays(tmp_path: Path) -> None:
    write(tmp_path, "counter", LIVING, {"a": 1})
    for pid in (11, 12, 13):
        write(tmp_path, "counter", pid, {"a": pid, "b": 0.5})
        fold(tmp_path)
    assert told(tmp_path) == {"a": 37, "b": 1.5}
    assert names(tmp_path) == {f"counter_{LIVING}.db", "counter_ended-3.db"}


@pytest.mark.parametrize(("kind", "value"), [("gauge_sum", 5), ("gauge_min", 2), ("gauge_max", 3)])
def test_gauges_that_outlive_their_process(tmp_path: Path, kind: str, value: float) -> None:
    write(tmp_path, kind, 11, {"a": 2})
    write(tmp_path, kind, 12, {"a": 3})
    fold(tmp_path)
    assert told(tmp_path, "gauge") == {"a": value}


def test_the_most_recent_of_a_gauge(tmp_path: Path) -> None:
    write(tmp_path, "gauge_mostrecent", 11, {"a": 2}, at=20.0)
    write(tmp_path, "gauge_mostrecent", 12, {"a": 3}, at=10.0)
    fold(tmp_path)
    assert told(tmp_path, "gauge") == {"a": 2}


@pytest.mark.parametrize("kind", ["gauge_livesum", "gauge_livemin", "gauge_all", "gauge_liveall"])
def test_gauges_of_ended_processes_vanish(tmp_path: Path, kind: str) -> None:
    write(tmp_path, kind, 11, {"a": 2})
    write(tmp_path, kind, LIVING, {"a": 3})
    fold(tmp_path)
    assert names(tmp_path) == {f"{kind}_{LIVING}.db"}


DEAD = 4_194_999
"""No process has this number: it is above what Linux gives."""


class Cut(BaseException):
    """The master ends here."""


@given(
    counts=st.lists(st.integers(1, 1000), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 8), max_size=4),
)
def test_it_can_be_cut_off_anywhere(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    steps = 0

    def step(frame: Any, event: str, arg: Any) -> None:
        nonlocal steps
        # Each call to the system that changes which files there are is a step.
        if event == "c_call" and arg.__name__ in ("unlink", "rename", "replace"):
            steps -= 1
            if steps < 0:
                raise Cut

    for pid, count in enumerate(counts, 11):
        write(folder, "counter", pid, {"a": count})
    for cut in cuts:
        steps = cut
        sys.setprofile(step)
        try:
            fold(folder)
        except Cut:
            pass
        finally:
            sys.setprofile(None)
        assert told(folder) == {"a": sum(counts)}
    fold(folder)
    assert told(folder) == {"a": sum(counts)}
    assert len(names(folder)) == 1


def test_reading_while_it_is_folded(tmp_path: Path) -> None:
    write(tmp_path, "counter", LIVING, {"a": 1})
    script = f"""
from pathlib import Path
from shared_utils.hosting.telemetry import folding
from tests.shared_utils.hosting.telemetry.test_folding import LIVING, write
import os
folder = Path({str(tmp_path)!r})
for pid in range(11, 211):
    # Made elsewhere and moved here, so that it counts from one moment on.
    made = folder / "made"
    made.mkdir(exist_ok=True)
    write(made, "counter", pid, {{"a": 1}})
    os.rename(made / f"counter_{{pid}}.db", folder / f"counter_{{pid}}.db")
    input()
    folding.fold(folder, lambda pid: pid >= LIVING)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=REPOSITORY, stdin=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        last = 1.0
        for _ in range(200):
            print(file=process.stdin, flush=True)  # it folds one while this reads
            now = told(tmp_path)["a"]
            assert now >= last, "what was counted does not become less"
            last = now
    assert process.returncode == 0
    assert told(tmp_path) == {"a": 201}


def test_one_master_at_a_time(tmp_path: Path) -> None:
    write(tmp_path, "counter", 11, {"a": 1})
    with directory.locked(tmp_path) as is_locked:
        assert is_locked
        fold(tmp_path)
        assert names(tmp_path) == {"counter_11.db"}
    fold(tmp_path)
    assert names(tmp_path) == {"counter_ended-1.db"}


@pytest.mark.parametrize(
    ("content", "left"),
    [
        pytest.param(b"", [], id="killed before it had a length"),
        pytest.param(bytes(65536), [], id="killed before it had a beginning"),
        pytest.param(b"no metrics, but many bytes", ["counter_11.unreadable"], id="another's"),
    ],
)
def test_a_file_that_cannot_be_read_costs_no_other(
    tmp_path: Path, content: bytes, left: list[str]
) -> None:
    write(tmp_path, "counter", LIVING, {"a": 1})
    (tmp_path / "counter_11.db").write_bytes(content)
    write(tmp_path, "counter", 12, {"a": 2})
    assert told(tmp_path) == {"a": 3}
    fold(tmp_path)
    assert told(tmp_path) == {"a": 3}
    assert names(tmp_path) >= {f"counter_{LIVING}.db"}
    assert "counter_11.db" not in names(tmp_path)
    assert [path.name for path in tmp_path.glob("*.unreadable")] == left


def test_gauges_of_the_dead_are_not_told_where_nobody_has_folded(tmp_path: Path) -> None:
    for pid, value in ((DEAD, 0), (os.getpid(), 1)):
        write(tmp_path, "gauge_livemin", pid, {"a": value})
        write(tmp_path, "gauge_livesum", pid, {"b": 5})
    assert told(tmp_path, "gauge") == {"a": 1, "b": 5}


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "other.db").write_bytes(b"no metrics")
    fold(tmp_path)
    assert names(tmp_path) == {"other.db"}
    assert folding.read(tmp_path) == []
