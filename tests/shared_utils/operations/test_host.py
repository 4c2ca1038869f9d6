"""A host that is asked over the sockets of its workers: they answer, hang, or are gone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from shared_utils.hosting.inspection.listening import Listener, bind
from shared_utils.operations import NoHostError, Operations, Recent, asking, host
from shared_utils.sibling import EXTENSION, Sibling

MOUNT = {"name": "shop", "title": "Shop", "state": "up", "build_state": "up", "running": 1}


def worker(pid: int, **mount: Any) -> dict[str, Any]:
    """Return what a worker says of itself."""
    return {
        "pid": pid,
        "mounts": {"shop": MOUNT | mount},
        "running": [],
        "unknown": "of a newer worker",
    }


def answer_of(pid: int, question: Mapping[str, Any]) -> dict[str, Any]:
    return worker(pid) if question["ask"] == "worker" else {}


class Workers:
    """Sockets in one folder, each with what answers there."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.host = Operations(folder)

    def answering(
        self, monkeypatch: pytest.MonkeyPatch, pid: int, answer: Callable[..., Any]
    ) -> None:
        monkeypatch.setattr("shared_utils.hosting.inspection.listening.os.getpid", lambda: pid)
        Listener(self.folder, answer, lambda: 3600.0).start()

    def hanging(self, pid: int) -> None:
        self.stack.enter_context(bind(self.folder, pid))

    def ended(self, pid: int) -> None:
        bind(self.folder, pid).close()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    with contextlib.ExitStack() as stack:
        yield Workers(tmp_path, stack)


def test_who_answers_is_told_from_who_hangs_and_who_has_ended(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers.answering(monkeypatch, 11, lambda question: worker(11))
    workers.answering(
        monkeypatch, 12, lambda question: worker(12, state="down", build_state="down")
    )
    workers.answering(monkeypatch, 13, lambda question: {"pid": 13})  # of another version
    workers.hanging(14)
    workers.ended(15)
    seen = workers.host.overview()
    assert [found.pid for found in seen.workers] == [11, 12]
    assert seen.silent == [13, 14]
    assert set(asking.sockets(workers.folder)) == {11, 12, 13, 14}
    (row,) = seen.rows
    assert (row.state, row.running) == ("down", 2)
    assert [verdict.words for verdict in row.verdicts] == ["Down in 1 of 2 workers"]
    assert seen.figures_at is None


def test_nobody_answers(workers: Workers) -> None:
    seen = workers.host.overview()
    assert (seen.rows, seen.workers, seen.silent) == ([], [], [])
    assert workers.host.stack(11, 1, "x") is None
    assert workers.host.running("shop") == []
    assert workers.host.recent("shop") is None
    assert workers.host.inside("shop").routes == []


def test_requests_of_all_workers_are_put_together(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(pid: int) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        request = {"app": "shop", "method": "GET", "path": f"/{pid}", "request_id": "x"}
        by_age = request | {"age": float(pid), "duration": float(pid), "at": float(pid)}
        old = by_age | {"at": -float(pid)}
        return lambda question: {"running": [old], "slowest": [by_age], "failed": [by_age]}

    for pid in (11, 12):
        workers.answering(monkeypatch, pid, answer(pid))
    workers.hanging(13)
    found = workers.host.recent("shop")
    assert found is not None
    for requests in (workers.host.running("shop"), found.slowest, found.failed):
        assert [(request.worker, request.path) for request in requests] == [
            (12, "/12"),
            (11, "/11"),
        ]


def test_an_app_that_no_worker_has_has_no_requests(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers.answering(monkeypatch, 11, lambda question: {})
    workers.hanging(12)
    assert workers.host.recent("shop") is None
    workers.answering(monkeypatch, 13, lambda question: {"slowest": [], "failed": []})
    assert workers.host.recent("shop") == Recent(slowest=[], failed=[])


def test_a_mount_is_built_again_in_every_worker_that_can(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Mapping[str, Any]] = []

    def build(question: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(question)
        return {"done": True}

    workers.answering(monkeypatch, 11, build)
    workers.answering(monkeypatch, 12, lambda question: {"refused": "it is up"})
    workers.hanging(13)
    outcome = workers.host.rebuild("shop")
    assert asked == [{"do": "rebuild", "app": "shop"}]
    assert (outcome.done, outcome.refused) == (1, {12: "it is up", 13: "it does not answer"})


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ({"refused": "there is no mount"}, ValueError, "there is no mount"),
        ({"failed": "maintenance: Read-only"}, OSError, "Read-only"),
        ({}, OSError, "no worker answers"),
    ],
)
def test_what_is_not_done_is_told(
    workers: Workers,
    monkeypatch: pytest.MonkeyPatch,
    answer: dict[str, Any],
    error: type[Exception],
    said: str,
) -> None:
    workers.answering(monkeypatch, 11, lambda question: answer)
    with pytest.raises(error, match=said):
        workers.host.close("shop")


def test_closing_does_not_wait_for_who_does_not_notice(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "NOTICED", 0.01)
    workers.answering(
        monkeypatch, 11, lambda question: {"done": True} if "do" in question else worker(11)
    )
    workers.host.close("shop", "Noon")
    workers.host.open("shop")


@pytest.fixture
def alone(tmp_path: Path) -> Flask:
    """An app that is served beside hosts, whose workers are in the same ``instance/run``."""
    made = Flask("ops", instance_path=str(tmp_path))
    made.extensions[EXTENSION] = Sibling(name="ops", prefix="/", row={}, origins={}, title="Ops")
    return made


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Callable[[int], Workers]]:
    """Make a host that was begun at this time."""
    with contextlib.ExitStack() as stack:
        yield lambda at: Workers(tmp_path / "run" / f"{host.FOLDER}-{at}", stack)


def begun(workers: Workers, at: int) -> None:
    os.utime(workers.folder, (at, at))


def test_alone_the_youngest_host_that_answers_is_asked(
    alone: Flask, beside: Callable[[int], Workers], monkeypatch: pytest.MonkeyPatch
) -> None:
    for pid in (11, 12, 13):
        made = beside(pid)
        made.answering(monkeypatch, pid, partial(answer_of, pid))
        begun(made, {11: 1000, 12: 3000, 13: 2000}[pid])
    hanging, ended = beside(14), beside(15)
    hanging.hanging(14)
    begun(hanging, 4000)
    ended.ended(15)
    begun(ended, 5000)
    (found,) = Operations.of(alone).overview().workers
    assert found.pid == 12


def test_a_host_whose_workers_all_hang_is_there(
    alone: Flask, beside: Callable[[int], Workers]
) -> None:
    for pid in (11, 12):
        made = beside(pid)
        made.hanging(pid)
        begun(made, pid)
    assert Operations.of(alone).overview().silent == [12]


def test_where_nobody_listens_there_is_no_host(
    alone: Flask, beside: Callable[[int], Workers]
) -> None:
    beside(11).ended(11)
    run = Path(alone.instance_path) / "run"
    (run / f"{host.FOLDER}-gone").symlink_to("nothing")  # as one that is taken away meanwhile
    (run / f"{host.FOLDER}-file").touch()
    with pytest.raises(NoHostError, match="no host serves"):
        Operations.of(alone)


def test_to_learn_who_answers_no_worker_is_made_to_tell_all(
    alone: Flask, beside: Callable[[int], Workers], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Mapping[str, Any]] = []

    def answer(question: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(question)
        return {}

    beside(11).answering(monkeypatch, 11, answer)
    Operations.of(alone)
    assert asked == [asking.NOTHING]
