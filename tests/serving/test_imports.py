"""Imports of ``trades``, over HTTP, while processes are killed: none is lost, no trade is twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.brokers import KINDS, broker_of
from tests.running import Project, children, until
from tests.serving import chance
from tests.serving.beside import LISTENS, Beside, rows
from tests.serving.trading import Person, set_up

pytestmark = pytest.mark.slow

IMPORTS, PEOPLE = 50, 10
ROWS, REFUSED = 1500, 3
VICTIMS = [*["child"] * 6, *["worker"] * 3, *["web"] * 5, *["gunicorn"] * 2]
"""A process for tasks, the task worker, the process that answers, and its master."""


@pytest.mark.parametrize("kind", KINDS)
def test_no_import_is_lost_and_no_trade_is_there_twice(project: Project, kind: str) -> None:
    seed = chance.seed()
    key = set_up(project, impatient=True)
    with broker_of(kind, "trades") as broker, contextlib.ExitStack() as stack:
        beside = Beside(project, "--with-worker", environ=broker.environ)
        stack.callback(beside.stop)
        people = [Person(beside.port, key, f"person{number}") for number in range(PEOPLE)]
        files = [file(number) for number in range(IMPORTS)]
        until(lambda: LISTENS in beside.lines(), "the worker")
        threads = stack.enter_context(ThreadPoolExecutor(PEOPLE))
        sent = [
            threads.submit(people[number % PEOPLE].import_file, text, f"{number}.csv")
            for number, text in enumerate(files)
        ]
        kill(beside, random.Random(seed))
        places = [each.result() for each in sent]
        until(lambda: all_done(project), "all imports are over")
        for number, place in enumerate(places):
            told = people[number % PEOPLE].read(place)
            assert told["stage"] == "done", told
            # Both were counted in the transactions that stored them.
            assert told["added"] + told["known"] == ROWS, told  # type: ignore[operator]
            assert told["refused"] == REFUSED, told
    count = "select count(*), count(distinct symbol || ' ' || quantity) from trade"
    assert rows(project, "trades", count) == [(IMPORTS * ROWS, IMPORTS * ROWS)]
    assert rows(project, "trades", "select sum(added) from import_job") == [(IMPORTS * ROWS,)]


def file(number: int) -> str:
    """Return trades of a symbol that no other file has, each of another quantity."""
    lines = [f"2024-05-06,FILE{number},buy,{row + 1},1.5" for row in range(ROWS)]
    lines[ROWS // 2 : ROWS // 2] = ["no trade"] * REFUSED
    return "\n".join(["traded_on,symbol,side,quantity,price", *lines])


def all_done(project: Project) -> bool:
    over = "select count(*), sum(state not in ('done', 'failed')) from import_job"
    [(jobs, waiting)] = rows(project, "trades", over)
    assert isinstance(jobs, int)
    return jobs >= IMPORTS and not waiting


def kill(beside: Beside, dice: random.Random) -> None:
    """Kill one process after the other, at random moments."""
    victims, pause = dice.sample(VICTIMS, len(VICTIMS)), threading.Event()
    for victim in victims:
        pause.wait(dice.uniform(0.1, 1.0))
        programs = beside.programs()
        program = programs.get("worker" if victim in ("child", "worker") else "gunicorn")
        if program is None:
            continue  # killed a moment ago, and not started again yet
        found = [program] if victim in programs else children(program)
        for pid in found[: dice.choice([1, 2])]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
