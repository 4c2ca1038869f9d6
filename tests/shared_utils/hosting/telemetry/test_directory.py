from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared_utils.hosting.telemetry import directory

GONE = 4_194_999
"""No process has this number: it is above what Linux gives."""


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(directory.VARIABLE, "")
    monkeypatch.delenv(directory.VARIABLE)


def test_each_master_has_its_own(tmp_path: Path) -> None:
    folder = directory.choose(tmp_path)
    assert folder == tmp_path / "metrics" / str(os.getpid())
    assert directory.current() == folder
    assert not folder.parent.exists(), "nothing is touched"
    assert directory.choose(tmp_path) == folder


def test_that_of_the_master_before_is_not_taken_for_the_operators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(directory.VARIABLE, str(tmp_path / "metrics" / "1"))
    assert directory.choose(tmp_path).name == str(os.getpid())


def test_what_the_operator_has_set_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(directory.VARIABLE, str(tmp_path / "mine"))
    assert directory.choose(tmp_path) == tmp_path / "mine"


def test_a_master_that_starts_takes_away_what_ended_ones_have_left(tmp_path: Path) -> None:
    folder = directory.choose(tmp_path)
    gone, living = folder.parent / str(GONE), folder.parent / str(os.getppid())
    for other in (gone, living, folder):
        other.mkdir(parents=True)
        (other / f"counter_{GONE}.db").touch()
    own = folder / f"counter_{os.getpid()}.db"
    own.touch()
    directory.begin(folder)
    assert not gone.exists()
    assert [path.name for path in living.glob("*.db")] == [f"counter_{GONE}.db"]
    assert list(folder.glob("*.db")) == [own]


def test_its_own_is_emptied_though_a_number_of_an_earlier_run_lives_again(tmp_path: Path) -> None:
    folder = directory.choose(tmp_path)
    folder.mkdir(parents=True)
    for name in (f"gauge_livemin_{os.getppid()}.db", "counter_ended-3.db"):
        (folder / name).touch()
    directory.begin(folder)
    assert not list(folder.glob("*.db"))


def test_a_directory_that_another_master_uses_stays_as_it_is(tmp_path: Path) -> None:
    for name in (f"counter_{os.getppid()}.db", f"counter_{GONE}.db", "counter_ended-3.db"):
        (tmp_path / name).touch()
    directory.begin(tmp_path)
    assert len(list(tmp_path.glob("*.db"))) == 3


def test_one_from_an_earlier_run_is_emptied(tmp_path: Path) -> None:
    for name in (f"counter_{GONE}.db", "counter_ended-3.db", "counter_ended-3-11.db"):
        (tmp_path / name).touch()
    (tmp_path / "other.txt").touch()
    directory.begin(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"other.txt", "lock"}
