from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from flask import Flask

from shared_utils.sibling import EXTENSION, Sibling
from shared_utils.tasks import Task, bells, task
from shared_utils.tasks.testing import recorded
from tests.running import PATIENCE, REPOSITORY


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(bells, "_known", {})
    monkeypatch.setattr(bells, "_silent_until", 0.0)
    with recorded():
        yield


def made(module: str, name: str | None = None) -> Task[[int]]:
    def run(job_id: int) -> None:
        done.append(job_id)

    done: list[int] = []
    run.__module__ = module
    run.done = done  # type: ignore[attr-defined]
    return task("trades", name=name)(run)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("apps.trades.imports.tasks", "trades.imports.run"),
        ("apps.trades.tasks", "trades.run"),
        ("apps.trades.imports.later.tasks", "trades.imports.later.run"),
        ("apps.trades.imports.jobs", "trades.imports.jobs.run"),
        ("ledger.imports.tasks", "trades.imports.run"),
    ],
)
def test_a_task_is_named_after_where_it_stands(module: str, name: str) -> None:
    run = made(module)
    assert (run.name, run.app) == (name, "trades")
    assert bells.find(name) is run
    assert bells.names_of("trades") == [name]
    assert repr(run) == f"<Task {name}>"


def test_a_name_of_another_app_is_refused() -> None:
    with pytest.raises(ValueError, match=r'write "trades\.home\.run"'):
        made("apps.trades.tasks", name="home.run")


def test_it_is_still_a_function() -> None:
    run = made("apps.trades.tasks")
    run(3)
    assert run.function.done == [3]  # type: ignore[attr-defined]
    assert run.__name__ == "run"  # type: ignore[attr-defined]


def test_a_bell_says_the_name_and_the_row() -> None:
    run = made("apps.trades.tasks")
    with recorded() as rung:
        run.ring(7)
        run.ring(8)
    assert rung == [("trades.run", 7), ("trades.run", 8)]


def test_a_bell_of_an_app_under_a_second_name_is_for_that_mount() -> None:
    run = made("apps.trades.imports.tasks")
    app = Flask("apps.trades")
    app.extensions[EXTENSION] = Sibling(name="deals", prefix="/deals", row={}, origins={})
    with app.app_context(), recorded() as rung:
        assert run.queue == "deals"
        run.ring(7)
    assert rung == [("deals.imports.run", 7)]
    assert bells.find("deals.imports.run", "apps.trades") is run
    assert bells.find("deals.imports.run", "apps.trade") is None
    assert bells.find("deals.run", "apps.trades") is None
    assert run.queue == "trades"


def test_a_broker_that_is_away_costs_one_request_a_line_and_no_other_a_thing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = []

    def away(*sent: object) -> None:
        tries.append(sent)
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr(bells, "send", away)
    run = made("apps.trades.tasks")
    run.ring(7)
    run.ring(8)
    assert len(tries) == 1
    assert "trades.run(7,) was not rung, its row waits for the sweeper" in caplog.text
    monkeypatch.setattr(bells, "_silent_until", 0.0)
    run.ring(9)
    assert len(tries) == 2


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//", "filesystem:///proc/none", "no://x"]
)
def test_whatever_is_wrong_with_the_broker_is_not_raised(url: str) -> None:
    code = "from shared_utils.tasks import task\n@task('x')\ndef f(i): pass\nf.ring(1)"
    told = run_python(code, ROWHOUSE_BROKER_URL=url)
    assert (told.returncode, told.stdout) == (0, "")
    assert "was not rung" in told.stderr


def test_neither_celery_nor_sqlalchemy_is_imported_before_it_is_needed() -> None:
    code = """if True:
        import sys
        from shared_utils import tasks
        from shared_utils.cli import beside
        tasks.has_worker("trades")
        print("celery" in sys.modules, "kombu" in sys.modules, "sqlalchemy" in sys.modules)
        assert tasks.celery is tasks.app
        print("celery" in sys.modules, "sqlalchemy" in sys.modules)
        print(tasks.JobMixin, tasks.jobs)
    """
    told = run_python(code)
    assert told.stdout.splitlines()[:2] == ["False False False", "True False"]


def run_python(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(REPOSITORY), **environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
