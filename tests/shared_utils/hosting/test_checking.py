"""Health checks pass, fail, hang and are changed; the clock is the test's."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, current_app

from shared_utils import health
from shared_utils.hosting.checking import Rounds
from shared_utils.hosting.mounted import Mounted
from shared_utils.hosting.settings.mounts import Mount
from shared_utils.hosting.settings.schema import Host
from shared_utils.hosting.walls.walls import Walls
from shared_utils.logging import app_name
from shared_utils.operations.reports import Check

Eventually = Callable[[Callable[[], bool]], None]


def mounted(name: str, app: Flask | None) -> Mounted:
    mount = Mount(name=name, prefix=f"/{name}", target="x:app", title=name)
    made = Mounted(mount, walls=Walls.around([mount], Host()), wake=lambda mounted: None)
    if app is not None:
        made.up(app, 1.0)
    return made


@pytest.fixture
def app() -> Flask:
    return Flask("shop")


@pytest.fixture
def settled(eventually: Eventually) -> Callable[..., Check]:
    """Look, and wait until the run of a check has told what came of it."""

    def wait(rounds: Rounds, now: float, ok: bool) -> Check:
        rounds.look(now)
        eventually(lambda: rounds.results("shop")[0].ok is ok)
        eventually(
            # Of this test alone: hosts of other tests have threads of their own here.
            lambda: not any(t.name == "rowhouse-check-shop" for t in threading.enumerate())
        )
        return rounds.results("shop")[0]

    return wait


def test_a_check_runs_in_its_apps_context(app: Flask, settled: Callable[..., Check]) -> None:
    seen: list[Any] = []
    health.check(app, "x", lambda: seen.append((current_app.name, app_name.get())))
    rounds = Rounds([mounted("shop", app), mounted("down", None)])
    assert settled(rounds, 0, True).ok
    assert seen == [("shop", "shop")]
    assert rounds.results("down") == rounds.results("unknown") == []


def test_a_check_runs_again_when_it_is_due(app: Flask, settled: Callable[..., Check]) -> None:
    runs: list[int] = []
    health.check(app, "x", lambda: runs.append(1), every=10)
    rounds = Rounds([mounted("shop", app)])
    settled(rounds, 0, True)
    settled(rounds, 9, True)
    assert len(runs) == 1
    settled(rounds, 10, True)
    assert len(runs) == 2


@pytest.mark.parametrize("error", [ValueError("two\nlines"), SystemExit(3)])
def test_whatever_it_raises_is_its_failure(
    app: Flask, settled: Callable[..., Check], error: BaseException
) -> None:
    def fail() -> None:
        raise error

    health.check(app, "x", fail)
    rounds = Rounds([mounted("shop", app)])
    result = settled(rounds, 0, False)
    assert result.detail in ("ValueError: two lines", "SystemExit: 3")
    assert rounds.are_failing("shop")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (health.Unwell("the feed is\nthree hours: old"), "the feed is three hours: old"),
        (health.Unwell(), "Unwell"),
        (KeyError("feed"), "KeyError: 'feed'"),
        (
            OSError("cannot reach redis://me:hunter2@feed/0"),
            "OSError: cannot reach redis://me:********@feed/0",
        ),
        (OSError("https://feed/?token=hunter2"), "OSError: https://feed/?token=********"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_it_is_told_in_words_for_an_operator(
    app: Flask, settled: Callable[..., Check], error: Exception, said: str
) -> None:
    def fail() -> None:
        raise error

    health.check(app, "x", fail)
    assert settled(Rounds([mounted("shop", app)]), 0, False).detail == said


def test_a_change_is_logged_once(
    app: Flask,
    settled: Callable[..., Check],
    caplog: pytest.LogCaptureFixture,
    eventually: Eventually,
) -> None:
    caplog.set_level(logging.INFO, "shared_utils.hosting.checking")
    well = True

    def look() -> None:
        if not well:
            raise ValueError("gone")

    health.check(app, "x", look, every=1)
    rounds = Rounds([mounted("shop", app)])
    settled(rounds, 0, True)
    well = False
    settled(rounds, 1, False)
    settled(rounds, 2, False)
    well = True
    settled(rounds, 3, True)
    eventually(lambda: len(caplog.messages) == 2)
    assert sorted(caplog.messages) == [
        "shop: the check of x fails: ValueError: gone",
        "shop: the check of x passes again",
    ]


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    made = threading.Event()
    yield made
    made.set()


def test_a_check_that_hangs_fails_and_costs_nobody_else(
    app: Flask, gate: threading.Event, eventually: Eventually
) -> None:
    runs: list[int] = []

    def hang() -> None:
        runs.append(1)
        gate.wait()

    health.check(app, "x", hang, every=1, timeout=5)
    neighbour, looked = Flask("wiki"), threading.Event()
    health.check(neighbour, "x", looked.set)
    rounds = Rounds([mounted("shop", app), mounted("wiki", neighbour)])
    rounds.look(0)
    assert looked.wait(20)
    rounds.look(4)
    assert rounds.results("shop") == [Check(name="x")]
    assert not rounds.are_failing("shop")
    rounds.look(6)
    assert rounds.results("shop")[0].detail == "takes longer than 5 s"
    rounds.look(100)
    assert len(runs) == 1  # never two of it
    gate.set()
    eventually(lambda: not any(t.name == "rowhouse-check-shop" for t in threading.enumerate()))
    rounds.look(101)
    eventually(lambda: rounds.results("shop")[0].ok is True)


def test_the_checks_are_those_of_the_app_that_was_built_last(
    app: Flask, settled: Callable[..., Check]
) -> None:
    health.check(app, "old", print)
    mount = mounted("shop", app)
    rounds = Rounds([mount])
    settled(rounds, 0, True)
    mount.up(Flask("shop"), 1.0)
    rounds.look(1)
    assert rounds.results("shop") == []


def test_the_rounds_begin_by_themselves(app: Flask) -> None:
    looked = threading.Event()
    health.check(app, "x", looked.set)
    rounds = Rounds([mounted("shop", app)])
    rounds.start()
    rounds.start()
    assert looked.wait(20)


def test_a_check_that_ends_after_its_time_has_failed_without_a_look_in_between(
    app: Flask, settled: Callable[..., Check]
) -> None:
    health.check(app, "late", lambda: None, timeout=1e-9)
    result = settled(Rounds([mounted("shop", app)]), 0, False)
    assert result.detail == "takes longer than 1e-09 s"
