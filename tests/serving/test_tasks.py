from __future__ import annotations

import contextlib
import os
import random
import secrets
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.brokers import KINDS, Broker, broker_of
from tests.running import Project, children, clean_environment, entries, lines_in, until
from tests.serving.beside import rows
from tests.serving.stepping import write_stepping

STEPS = 50
WORKER = ("-m", "celery", "-A", "shared_utils.tasks", "worker", "--concurrency=2", "-lINFO")


class Processes:
    """Processes in a project's folder, all ended with the test."""

    def __init__(self, project: Project, environ: Mapping[str, str]) -> None:
        self.project = project
        self.environ = {
            **clean_environment(),
            "PYTHONPATH": str(project.root),
            "ROWHOUSE_SWEEP_EVERY": "0.3",
            **environ,
        }
        self.log = project.root / "processes.log"
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=self.project.root,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def worker(self) -> subprocess.Popen[bytes]:
        return self.start(*WORKER)

    def lines(self) -> str:
        return lines_in(self.log)

    def stop(self) -> None:
        for process in self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def name() -> str:
    """The app, and so the queue, is the test's own."""
    return f"steps_{secrets.token_hex(4)}"


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, name: str) -> Iterator[Broker]:
    with broker_of(request.param, name) as made:
        yield made


@pytest.fixture
def start_processes(project: Project) -> Iterator[Callable[..., Processes]]:
    made: list[Processes] = []

    def start(environ: Mapping[str, str]) -> Processes:
        made.append(Processes(project, environ))
        return made[-1]

    yield start
    for processes in made:
        processes.stop()


def all_done(project: Project, name: str) -> bool:
    return not rows(project, name, "select id from job where state not in ('done', 'failed')")


def assert_nothing_is_lost_or_twice(project: Project, name: str, jobs: int) -> None:
    assert rows(project, name, "select state, count(*) from job group by state") == [("done", jobs)]
    steps = "select count(*), count(distinct job_id || '/' || number) from step"
    assert rows(project, name, steps) == [(jobs * STEPS, jobs * STEPS)]


def torture(project: Project, name: str, processes: Processes, *, jobs: int, seed: int) -> None:
    """Enqueue that many jobs at least, and kill one process after the other meanwhile."""
    chance, pause = random.Random(seed), threading.Event()
    victims = ["child", "worker", "enqueue"] * max(2, jobs // 6)
    chance.shuffle(victims)
    enqueue = processes.start("enqueue.py", str(jobs))
    until(lambda: enqueued(project, name) > 0, "the first job")
    worker = processes.worker()
    until(lambda: len(children(worker.pid)) == 2, "its pool")
    for victim in victims:
        pause.wait(chance.uniform(0.1, 1.5))
        if victim == "child":
            for child in children(worker.pid)[: chance.choice([1, 2])]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        elif victim == "worker":
            worker.kill()
            worker.wait()
            worker = processes.worker()
        elif victim == "enqueue":
            enqueue.kill()
            enqueue.wait()
            left = jobs - enqueued(project, name)
            enqueue = processes.start("enqueue.py", str(max(1, left)))
    until(lambda: enqueued(project, name) >= jobs, "all jobs")
    enqueue.wait(60)
    until(lambda: all_done(project, name), "all jobs are done")


def enqueued(project: Project, name: str) -> int:
    with contextlib.suppress(sqlite3.OperationalError):  # the tables are not there yet
        [(count,)] = rows(project, name, "select count(*) from job")
        assert isinstance(count, int)
        return count
    return 0


@pytest.mark.parametrize("broker", ["filesystem"], indirect=True)  # the long run takes each
def test_no_job_is_lost_and_none_done_twice(
    project: Project, name: str, broker: Broker, start_processes: Callable[..., Processes]
) -> None:
    write_stepping(project, name, steps=STEPS, attempts=100)
    processes = start_processes(broker.environ)
    torture(project, name, processes, jobs=6, seed=4)
    assert_nothing_is_lost_or_twice(project, name, enqueued(project, name))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_no_job_is_lost_and_none_done_twice_in_the_long_run(
    project: Project,
    name: str,
    broker: Broker,
    start_processes: Callable[..., Processes],
    seed: int,
) -> None:
    write_stepping(project, name, steps=STEPS, attempts=100)
    processes = start_processes(broker.environ)
    torture(project, name, processes, jobs=50, seed=seed)
    assert_nothing_is_lost_or_twice(project, name, enqueued(project, name))


SICK = {
    "raises": "raise RuntimeError('no')",
    "exits": "import sys; sys.exit(3)",
    "vanishes": "import os; os._exit(4)",
    "hangs": "import time; time.sleep(1000)",
}


def test_sick_apps_do_not_keep_their_neighbours_from_work(
    project: Project, start_processes: Callable[..., Processes]
) -> None:
    for sick, source in SICK.items():
        module = project.app(sick, source, "[limits]\nstartup_timeout = 0.5\n")
        project.write(module.with_name("tasks.py"), "")
    project.app("wrong", manifest="ownr = 'x'\n").with_name("tasks.py").touch()
    write_stepping(project, steps=2)
    processes = start_processes({})
    processes.worker()
    until(lambda: "the worker listens to" in processes.lines(), "the worker")
    processes.start("enqueue.py", "3").wait(60)
    until(lambda: enqueued(project, "steps") == 3 and all_done(project, "steps"), "the jobs")
    told = ("raises cannot be built: RuntimeError('no')", "exits cannot be built: SystemExit(3)")
    for line in (*told, "vanishes is down for tasks", "hangs is down for tasks", "ownr"):
        until(lambda line=line: line in processes.lines(), line)  # type: ignore[misc]


@pytest.mark.slow
def test_jobs_of_a_sick_app_wait_until_it_is_well(
    project: Project, start_processes: Callable[..., Processes]
) -> None:
    write_stepping(project, steps=2)
    processes = start_processes({})
    processes.start("enqueue.py", "3").wait(60)
    module = project.root / "apps" / "steps" / "__init__.py"
    sound = module.read_text()
    module.write_text("raise RuntimeError('no')")
    processes.worker()
    until(lambda: "steps cannot be built" in processes.lines(), "it is known to be sick")
    assert enqueued(project, "steps") == 3
    assert not all_done(project, "steps")
    module.write_text(sound)
    until(lambda: all_done(project, "steps"), "the jobs")


def test_an_app_under_a_second_name_has_its_own_jobs_done(
    project: Project, start_processes: Callable[..., Processes]
) -> None:
    write_stepping(project, steps=2)
    project.operator("""
        [mounts.deals]
        app = "apps.steps:create_app()"
        [mounts.deals.config]
        DATABASE_URL = "sqlite:///deals.sqlite3"
        """)
    begin = """
        from apps.steps.models import Base, db
        from dispatcher import create_app
        from shared_utils.hosting.pages import row_of

        host = create_app()
        with row_of(host).mounts["deals"].flask_app.app_context():
            Base.metadata.create_all(db.engine)
        assert host.test_client().post("/deals/jobs").status_code == 202
        """
    project.write(project.root / "begin.py", begin)
    processes = start_processes({})
    processes.worker()
    assert processes.start("begin.py").wait(60) == 0, processes.lines()
    until(lambda: rows(project, "deals", "select state from job") == [("done",)], "the job")


def test_a_task_runs_in_its_own_apps_context_and_logs_its_name(
    project: Project, start_processes: Callable[..., Processes]
) -> None:
    source = """
        import logging
        from flask import current_app
        from shared_utils.links import mount_url
        from shared_utils.tasks import task

        @task("{name}")
        def tell():
            logging.getLogger("told").warning(
                "%s has %s, home is %s", current_app.import_name, current_app.config["SIZE"],
                mount_url("one"),
            )
    """
    for name, size in (("one", 1), ("two", 2)):
        module = project.app(name, manifest=f"[config]\nSIZE = {size}\n")
        project.write(module.with_name("tasks.py"), source.format(name=name))
    ring = "import sys; from shared_utils.tasks import bells\n"
    ring += "for name in sys.argv[1:]: bells.send(name.partition('.')[0], name, (), {})\n"
    project.write(project.root / "ring.py", ring)
    processes = start_processes({})
    processes.worker()
    processes.start("ring.py", "one.tell", "two.tell", "two.nothing").wait(60)
    for told in ("apps.one has 1, home is /one/", "apps.two has 2, home is /one/"):
        until(lambda told=told: told in processes.lines(), told)  # type: ignore[misc]
    missing = "two has no task 'two.nothing'; it has two.tell"
    until(lambda: missing in processes.lines(), "what is missing is said")
    said = [each for each in entries(processes.lines()) if "apps.two has" in each["message"]]
    assert {each["app"] for each in said} == {"two"}
    broker = project.root / "instance" / "run" / "broker"
    queues = {path.name for path in broker.iterdir()}
    assert queues == {"one", "two"}, "no exchange is declared, no queue of the worker's own"


def test_the_maintenance_of_an_app_is_the_maintenance_of_its_jobs(
    project: Project, start_processes: Callable[..., Processes]
) -> None:
    write_stepping(project, steps=2)
    processes = start_processes({})
    processes.start("enqueue.py", "1").wait(60)
    assert project.rowhouse("maintenance", "steps", "on").returncode == 0
    processes.worker()
    until(lambda: "the worker listens to" in processes.lines(), "the worker")
    broker = project.root / "instance" / "run" / "broker" / "steps"
    until(lambda: not list(broker.glob("*.msg")), "the message is taken")
    assert not all_done(project, "steps")
    assert project.rowhouse("maintenance", "steps", "off").returncode == 0
    until(lambda: all_done(project, "steps"), "the job")


def test_a_worker_that_is_told_to_end_ends(
    project: Project, start_processes: Callable[..., Processes]
) -> None:
    write_stepping(project, steps=2)
    processes = start_processes({})
    worker = processes.worker()
    until(lambda: "the worker listens to" in processes.lines(), "the worker")
    for child in children(worker.pid):
        os.kill(child, signal.SIGKILL)  # with kombu's own transport, it would hang from here on
    worker.terminate()
    assert worker.wait(60) == 0


def test_wrong_use_of_rowhouse_worker(project: Project) -> None:
    project.app("well")
    told = project.rowhouse("worker")
    assert (told.returncode, told.stderr) == (1, "Error: no tasks: no app has a tasks.py\n")
    write_stepping(project)
    told = project.rowhouse("worker", "-Q", "stebs")
    assert told.returncode == 2
    assert "no mount 'stebs'; write steps" in told.stderr
    project.operator("[host]\nthread = 3\n")
    told = project.rowhouse("worker")
    assert told.returncode == 1
    assert 'write "threads"' in told.stderr
