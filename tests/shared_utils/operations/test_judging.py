from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from shared_utils.operations.figures import Figures, Sample, between
from shared_utils.operations.judging import verdicts, worst_first
from shared_utils.operations.overview import overview
from shared_utils.operations.reports import (
    HANGS_AFTER,
    Check,
    MountReport,
    Request,
    WorkerReport,
)
from shared_utils.operations.rows import MountRow
from shared_utils.operations.totals import Total


def words(workers: int = 2, **facts: Any) -> list[str]:
    return [v.words for v in verdicts(MountRow(name="shop", title="Shop", **facts), workers)]


def test_nothing_is_wrong_with_an_app_that_is_busy_and_well() -> None:
    assert (
        words(running=5, figures=Figures(requests=1000, rate=60, error_rate=0.001, errors=1)) == []
    )


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"down": 2, "failure": "KeyError: 'x'"}, ["Down: KeyError: 'x'"]),
        ({"down": 1, "failure": "a"}, ["Down in 1 of 2 workers: a"]),
        ({"hanging": 1, "oldest": 12.4}, ["Hanging: 1 request runs for up to 12 s"]),
        ({"hanging": 3, "oldest": 9.0}, ["Hanging: 3 requests run for up to 9.0 s"]),
        ({"hanging": 3, "oldest": 313.0}, ["Hanging: 3 requests run for up to 5 min"]),
        (
            # It answers 503 all the time: the one follows from the other.
            {
                "down": 2,
                "state": "down",
                "figures": Figures(requests=10, errors=10, error_rate=1),
            },
            ["Down"],
        ),
        (
            {"figures": Figures(late=4)},
            ["Hanging: 4 ended past the deadline in the last seconds"],
        ),
        (
            {"figures": Figures(requests=10, errors=4, error_rate=0.4)},
            ["Failing: 40% of requests end in an error"],
        ),
        ({"figures": Figures(requests=10, errors=1, error_rate=0.1)}, []),
        ({"figures": Figures(shed=3)}, ["Shedding: 3 requests refused in the last seconds"]),
        (
            {"figures": Figures(requests=12, errors=3, error_rate=1, shed=9)},
            [
                "Failing: 100% of requests end in an error",
                "Shedding: 9 requests refused in the last seconds",
            ],
        ),
        (
            {"figures": Figures(requests=11, errors=2, error_rate=1, shed=9)},
            ["Shedding: 9 requests refused in the last seconds"],
        ),
        (
            {"checks": (Check(name="database", ok=False, detail="gone"), Check(name="new"))},
            ["Check fails: database: gone"],
        ),
        (
            {"figures": Figures(cpu=0.9, cpu_share=0.8)},
            ["Greedy: takes 80% of the CPU time, 0.9 cores"],
        ),
        ({"figures": Figures(cpu=0.01, cpu_share=1)}, []),
        ({"state": "maintenance", "message": "Noon"}, ["In maintenance: Noon"]),
        (
            {
                "state": "maintenance",
                "message": "",
                "figures": Figures(requests=9, errors=9, error_rate=1),
            },
            ["In maintenance"],
        ),
        ({"starting": 1}, ["Starting"]),
    ],
)
def test_what_is_wrong_is_said_in_words(facts: dict[str, Any], said: list[str]) -> None:
    assert words(**facts) == said


def test_an_app_whose_requests_are_all_shed_is_not_said_to_fail() -> None:
    older = Sample(at=0, apps={"shop": Total()})
    newer = Sample(at=10, apps={"shop": Total(requests=9, errors=9, shed=9)})
    said = ["Shedding: 9 requests refused in the last seconds"]
    assert words(figures=between(older, newer)["shop"]) == said


def test_the_worst_is_said_first() -> None:
    facts: dict[str, Any] = {
        "hanging": 1,
        "oldest": 6.0,
        "down": 2,
        "failure": "x",
        "figures": Figures(shed=1),
    }
    assert [said.partition(":")[0] for said in words(**facts)] == ["Down", "Hanging", "Shedding"]


def test_those_in_trouble_come_first_and_the_rest_by_title() -> None:
    def row(title: str, **facts: Any) -> MountRow:
        made = MountRow(name=title.lower(), title=title, **facts)
        return dataclasses.replace(made, verdicts=tuple(verdicts(made, 1)))

    rows = [
        row("b"),
        row("A"),
        row("closed", state="maintenance"),
        row("hangs", hanging=1),
        row("down", down=1),
    ]
    titles = [each.title for each in worst_first(rows)]
    assert titles == ["down", "hangs", "A", "b", "closed"]


@pytest.mark.parametrize(
    ("facts", "is_troubled"),
    [
        ({}, False),
        ({"starting": 1}, False),
        ({"state": "maintenance"}, False),
        ({"figures": Figures(cpu=1, cpu_share=1)}, True),
        ({"down": 1}, True),
        ({"state": "maintenance", "down": 1}, True),
    ],
)
def test_who_starts_or_is_closed_is_not_in_trouble(
    facts: dict[str, Any], is_troubled: bool
) -> None:
    made = MountRow(name="shop", title="Shop", **facts)
    assert not made.is_troubled
    judged = dataclasses.replace(made, verdicts=tuple(verdicts(made, 1)))
    assert judged.is_troubled == is_troubled


def worker(pid: int, *running: Request, **facts: Any) -> WorkerReport:
    return WorkerReport(
        pid=pid, mounts={"shop": MountReport(name="shop", title="Shop", **facts)}, running=running
    )


def request(age: float, **facts: Any) -> Request:
    values: dict[str, Any] = {
        "worker": 1,
        "app": "shop",
        "method": "GET",
        "path": "/",
        "request_id": "x",
    }
    return Request(**(values | facts), age=age)


def test_a_request_hangs_that_runs_for_long_and_has_sent_nothing() -> None:
    assert not request(HANGS_AFTER - 0.1).is_hanging
    assert request(HANGS_AFTER).is_hanging
    assert not request(HANGS_AFTER, status=200).is_hanging
    assert not request(2 * HANGS_AFTER, waited=HANGS_AFTER + 0.1).is_hanging
    assert request(2 * HANGS_AFTER, waited=HANGS_AFTER).is_hanging


def test_workers_are_put_together() -> None:
    early, late = request(1, at=1.0), request(1, at=2.0)
    seen = overview(
        [
            worker(1, request(30), request(2), running=2, build_seconds=1.0, last_error=late),
            worker(
                2,
                request(7),
                request(60, status=200),
                request(9, app="wiki"),
                running=3,
                parked=1,
                build_state="down",
                state="down",
                failure="x",
                build_seconds=3.0,
                last_error=early,
            ),
        ],
        [7],
        {"shop": Figures(rate=5)},
        12.0,
    )
    (row,) = seen.rows
    assert (row.state, row.down, row.failure) == ("down", 1, "x")
    assert (row.running, row.parked, row.build_seconds) == (5, 1, 3.0)
    assert (row.hanging, row.oldest) == (2, 30)  # what is being sent does not hang
    assert row.last_error == late
    assert row.figures.rate == 5
    assert (seen.silent, seen.figures_at) == ([7], 12.0)


def test_a_check_counts_as_the_worker_has_it_in_which_it_fails() -> None:
    seen = overview(
        [
            worker(1, checks=(Check(name="db", ok=True), Check(name="new"))),
            worker(2, checks=(Check(name="db", ok=False, detail="gone"),)),
        ],
        [],
        {},
        None,
    )
    assert [(c.name, c.ok) for c in seen.rows[0].checks] == [("db", False), ("new", None)]


def test_maintenance_in_one_worker_is_maintenance() -> None:
    seen = overview(
        [worker(1, state="maintenance", message="Noon"), worker(2, state="up")], [], {}, None
    )
    assert (seen.rows[0].state, seen.rows[0].message) == ("maintenance", "Noon")
