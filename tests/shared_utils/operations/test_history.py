from __future__ import annotations

import math
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from shared_utils.operations import history
from shared_utils.operations.figures import Sample
from shared_utils.operations.totals import Total

amounts = st.floats(0, 1e12)


@st.composite
def totals(draw: st.DrawFn) -> Total:
    bounds = sorted(draw(st.sets(st.floats(0.001, 100), max_size=4)))
    counts = tuple(
        sorted(draw(st.lists(amounts, min_size=len(bounds) + 1, max_size=len(bounds) + 1)))
    )
    return Total(
        requests=draw(amounts),
        errors=draw(amounts),
        cpu=draw(amounts),
        running=draw(amounts),
        bounds=(*bounds, math.inf) if bounds else (),
        counts=counts if bounds else (),
    )


@given(st.dictionaries(st.sampled_from(["shop", "wiki", "home"]), totals()))
def test_what_is_written_is_read(tmp_path_factory: object, apps: dict[str, Total]) -> None:
    path = tmp_path_factory.mktemp("history") / "h"  # type: ignore[attr-defined]
    history.append(path, Sample(at=12.5, apps=apps))
    assert history.read(path, 0) == [Sample(at=12.5, apps=apps)]


def written(path: Path, *moments: float) -> Path:
    for at in moments:
        history.append(path, Sample(at=at, apps={"shop": Total(requests=at)}))
    return path


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "h", 1, 2, 3, 4)
    assert [sample.at for sample in history.read(path, 3)] == [3, 4]
    assert history.read(tmp_path / "nothing", 0) == []


def test_lines_that_are_no_samples_are_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path / "h", 1)
    with path.open("ab") as file:
        file.write(b'{"at": 2, "apps": {"shop": {"bounds": [1], "counts": [1]}}}\n')
        file.write(b'[]\n{"at": 3}\n\xff\n\n{"at": 4, "ap')
    assert [sample.at for sample in history.read(path, 0)] == [1]


def test_what_is_old_is_dropped(tmp_path: Path) -> None:
    path = written(tmp_path / "h", *range(0, 3600, 60))
    history.trim(path, now=3600)
    assert [sample.at for sample in history.read(path, 0)] == list(range(2700, 3600, 60))
    assert [each.name for each in tmp_path.iterdir()] == ["h"]


def test_series_have_a_value_for_each_moment_and_gaps_where_nobody_has_sampled() -> None:
    samples = [
        Sample(at=0, apps={"shop": Total()}),
        Sample(at=5, apps={"shop": Total(requests=50)}),
        Sample(at=100, apps={"shop": Total(requests=50), "new": Total(requests=95)}),
    ]
    series = history.series(samples)
    assert series.at == [5, 10, 100]
    assert series.apps["shop"]["rate"] == [10, None, 0]
    assert series.apps["new"]["rate"] == [None, None, 1]
    assert series.apps["shop"]["p99"] == [None, None, None]


def test_no_series_without_two_samples() -> None:
    assert history.series([]).at == history.series([Sample(at=0, apps={})]).at == []
