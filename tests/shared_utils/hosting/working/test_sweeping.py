"""The sweeper beside the consumer: a bell that nobody answered is rung again."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from shared_utils.hosting.working import answering, sweeping
from shared_utils.hosting.working.crew import Crew
from tests.conftest import ProjectFolder


class Worker:
    """What the sweeper and the consumer have of Celery's: what is asked of it is kept."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self.asked: list[tuple[bool, Callable[[object], None]]] = []
        self.proceeded: list[object] = []
        self.pool = SimpleNamespace(on_apply=self._on_apply)
        self.timer = SimpleNamespace(call_repeatedly=lambda _, look: setattr(self, "look", look))
        self.app = SimpleNamespace(
            amqp=SimpleNamespace(queues=SimpleNamespace(consume_from=set(crew.names))),
            tasks={"flat.run": SimpleNamespace(start_strategy=lambda *_: self._proceed)},
        )
        self.controller = self
        self.connection_errors = ()
        self.look: Callable[[], None]
        self._strategies = answering._Strategies(self)  # type: ignore[arg-type]
        sweeping.Sweeper(self).start(self)

    def _on_apply(self, *target: Any, callback: Callable[[object], None], **_: object) -> None:
        (_, all_waiting) = target[1]
        self.asked.append((all_waiting, callback))

    def _proceed(self, message: object, *_: object) -> None:
        self.proceeded.append(message)

    def swept(self) -> Callable[[object], None]:
        """Have it look; return what takes the answer of the sweep, which is for all that waits."""
        before = len(self.asked)
        self.look()
        assert len(self.asked) == before + 1, "it did not sweep"
        all_waiting, answer = self.asked[-1]
        assert all_waiting
        return answer

    def bell(self) -> None:
        """Have a message come."""
        self._strategies["flat.run"]("a bell", None, lambda *_: None)


@pytest.fixture
def worker(project: ProjectFolder) -> Worker:
    project.manifest("flat")
    path = project.root / "apps" / "flat" / "tasks.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return Worker(Crew(project.settings()))


def test_all_that_waits_is_rung_for_at_the_start_and_after_a_failure(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "EVERY", 0.0)
    worker.swept()(sweeping.DOWN)
    worker.swept()(OSError("the process was lost"))
    worker.swept()(sweeping.WELL)
    worker.look()
    assert [all_waiting for all_waiting, _ in worker.asked] == [True, True, True, False]


def test_bells_of_an_app_that_is_found_well_may_come_before_the_sweep_has_told(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "LAST_RETRY", 0.0)
    worker.swept()(sweeping.DOWN)
    answer = worker.swept()
    worker.bell()  # of the sweep, which has found it well
    assert worker.proceeded == []
    answer(sweeping.WELL)
    worker.swept()
    worker.bell()
    assert worker.proceeded == ["a bell"]


def test_a_bell_during_a_maintenance_too_short_to_be_seen_by_the_sweeper(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = worker.swept()
    monkeypatch.setattr(worker.crew, "is_in_maintenance", lambda name: True)
    worker.bell()
    monkeypatch.undo()
    answer(sweeping.WELL)
    worker.swept()


def test_a_sweep_that_never_comes_back_was_for_all_that_waits(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.swept()
    worker.look()
    assert len(worker.asked) == 1
    monkeypatch.setattr(sweeping, "GIVEN_UP_AFTER", 0.0)
    worker.swept()
