"""Metrics of a real gunicorn: sums over its workers, whoever of them has ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.nginx import in_front
from tests.running import PATIENCE, Project, Serve, Server, clean_environment, until

if TYPE_CHECKING:
    from pathlib import Path

FAILING = """
    from flask import Flask
    from config import configure_app
    from shared_utils import health

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        health.check(app, "ledger", lambda: int("s3cret"), every=0.1)
        return app
"""

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(server: Server) -> Samples:
    answer = server.get("/-/metrics")
    assert answer.status == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((f"rowhouse_{name}", frozenset(labels.items())), 0.0)


def answered(server: Server, app: str = "well") -> float:
    return value(scraped(server), "requests_total", app=app, method="GET", status="200")


def folders(project: Project) -> list[Path]:
    return list((project.root / "instance" / "run" / "metrics").iterdir())


def test_what_is_counted(project: Project, serve: Serve) -> None:
    project.app("well")
    project.app("sick", manifest="prefix = 7\n")
    project.app(
        "late",
        """
        def create_app():
            def app(environ, start_response):
                while True:
                    pass
            return app
        """,
        manifest="[limits]\ndeadline = 0.2\n",
    )
    server = serve(workers=2)
    for _ in range(5):
        assert server.get("/well/").status == 200
    assert server.get("/well/", "BREW").status == 405
    assert server.get("/nowhere/else").status == 404
    assert server.get("/late/").status == 504
    assert server.get("/sick/").status == 503

    samples = scraped(server)
    assert value(samples, "requests_total", app="well", method="GET", status="200") == 5
    assert value(samples, "requests_total", app="well", method="other", status="405") == 1
    assert value(samples, "requests_total", app="", method="GET", status="404") == 1
    assert value(samples, "request_duration_seconds_count", app="well") == 6
    assert value(samples, "request_duration_seconds_bucket", app="well", le="+Inf") == 6
    assert value(samples, "requests_unserved_total", app="sick") == 1
    assert value(samples, "requests_unserved_total", app="well") == 0
    for reason in ("threads", "queue_timeout"):
        assert (
            "rowhouse_requests_shed_total",
            frozenset({("app", "well"), ("reason", reason)}),
        ) in samples
    assert not any("nowhere" in str(key) or "BREW" in str(key) for key in samples)

    def is_taken_down() -> bool:  # a moment after the answer, or by each worker once a second
        now = scraped(server)
        return (
            value(now, "app_cpu_seconds_total", app="well") > 0
            and value(now, "deadline_exceeded_total", app="late") == 1
            and value(now, "app_up", app="well") == 1
            and value(now, "app_up", app="sick") == 0
            and value(now, "app_build_seconds", app="well") > 0
        )

    until(is_taken_down, "CPU time, a deadline that was exceeded, and how apps are")


def test_what_runs_and_waits_and_is_refused(project: Project, serve: Serve) -> None:
    project.app(
        "busy",
        """
        import threading
        def create_app():
            go_on = threading.Event()
            def app(environ, start_response):
                if environ["PATH_INFO"] == "/end":
                    go_on.set()
                else:
                    go_on.wait()
                start_response("200 OK", [])
                return [b"done"]
            return app
        """,
    )
    project.operator(
        "[mounts.busy.limits]\nmax_running = 1\nmax_threads = 2\nqueue_timeout = 60.0\n"
    )
    server = serve()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(server.get, "/busy/")
        until(lambda: value(scraped(server), "requests_running", app="busy") == 1, "it runs")
        second = pool.submit(server.get, "/busy/end")
        until(lambda: value(scraped(server), "requests_parked", app="busy") == 1, "it waits")
        assert server.get("/busy/").status == 503
        shed = value(scraped(server), "requests_shed_total", app="busy", reason="threads")
        assert shed == 1
        os.kill(next(iter(server.workers())), signal.SIGKILL)
        for request in (first, second):
            assert isinstance(request.exception(), ConnectionError | OSError)
    until(lambda: value(scraped(server), "requests_running", app="busy") == 0, "it has vanished")
    shed = value(scraped(server), "requests_shed_total", app="busy", reason="threads")
    assert shed == 1


def replace_one(server: Server, how: signal.Signals) -> None:
    before = server.workers()
    os.kill(min(before), how)
    until(lambda: len(server.workers() - before) == 1, "another worker is there")
    until(lambda: len(server.workers()) == len(before), "the old one has gone")


def test_workers_that_end_leave_their_sums_and_no_files(project: Project, serve: Serve) -> None:
    project.app("well")
    server = serve(workers=2)
    for round_, how in enumerate((signal.SIGTERM, signal.SIGKILL, signal.SIGTERM), 1):
        for _ in range(10):
            assert server.get("/well/").status == 200
        replace_one(server, how)
        assert answered(server) == 10 * round_
    [folder] = folders(project)
    assert folder.name == str(server.process.pid)

    def are_folded() -> bool:  # which the master does a moment after the worker has ended
        pids = {file.stem.rpartition("_")[2] for file in folder.glob("*.db")}
        left = {int(pid) for pid in pids if pid.isdecimal()} <= server.workers()
        return left and len(list(folder.glob("*ended*"))) == 2  # counters and histograms

    until(are_folded, "there are files of those that live, and two of those that have ended")


def test_files_that_cannot_be_read_stop_nothing(project: Project, serve: Serve) -> None:
    project.app("well")
    server = serve()
    assert server.get("/well/").status == 200
    [folder] = folders(project)
    (folder / "counter_4194999.db").touch()  # a worker was killed that had only just made it
    (folder / "histogram_4194999.db").write_text("no metrics, but many bytes")
    assert answered(server) == 1
    replace_one(server, signal.SIGKILL)
    assert server.get("/well/").status == 200
    assert answered(server) == 2
    until(lambda: "histogram_4194999.db cannot be read" in server.lines(), "the master says so")


def test_where_there_is_no_room_for_them_apps_are_served(project: Project, serve: Serve) -> None:
    project.app("well")
    conf = project.root / "gunicorn.conf.py"
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))"  # less than a file takes
    conf.write_text(f"{conf.read_text()}\nimport resource\n{limit}\n")
    server = serve()
    assert server.get("/well/").status == 200
    assert answered(server) == 1, "a worker's own"
    assert "there is no room for them" in server.lines()


def test_a_daemons_files_are_known_by_its_number(project: Project, serve: Serve) -> None:
    project.app("well")
    pidfile, listens = project.root / "pid", project.root / "listens"
    subprocess.run(
        [
            *(sys.executable, "-m", "gunicorn", "--daemon", "--no-control-socket"),
            *(f"--pid={pidfile}", f"--bind=unix:{listens}", "--workers=1"),
        ],
        cwd=project.root,
        env=clean_environment(),
        check=True,
    )
    until(pidfile.exists, "the daemon has begun")
    pid = int(pidfile.read_text())
    try:
        own = project.root / "instance" / "run" / "metrics" / str(pid)
        until(lambda: any(own.glob("counter_*.db")), "it counts")
        other = serve()
        assert other.get("/well/").status == 200
        assert {folder.name for folder in folders(project)} == {str(pid), str(other.process.pid)}
    finally:
        os.kill(pid, signal.SIGTERM)
        until(lambda: not pidfile.exists(), "it has ended")


def test_a_reload_keeps_what_was_counted(project: Project, serve: Serve) -> None:
    project.app("well")
    server = serve()
    for _ in range(3):
        server.get("/well/")
    before = server.workers()
    server.process.send_signal(signal.SIGHUP)
    until(lambda: not server.workers() & before and len(server.workers()) == 1, "it is reloaded")
    assert answered(server) == 3
    assert len(folders(project)) == 1


def test_nobody_touches_anothers_files(project: Project, serve: Serve) -> None:
    project.app("well")
    gone = project.root / "instance" / "run" / "metrics" / "4194999"
    gone.mkdir(parents=True)
    first = serve()
    assert first.get("/well/").status == 200
    assert not gone.exists()
    second = serve()
    assert second.get("/well/").status == 200
    checked = subprocess.run(
        [sys.executable, "-m", "gunicorn", "--check-config"],
        cwd=project.root,
        env=clean_environment(),
        check=False,
    )
    assert checked.returncode == 0
    assert answered(first) == 1
    assert answered(second) == 1
    assert len(folders(project)) == 2
    second.stop()
    assert [folder.name for folder in folders(project)] == [str(first.process.pid)]


@pytest.mark.parametrize("preload", [False, True])
def test_a_sibling_that_counts_by_itself(
    project: Project, serve: Serve, tmp_path: Path, preload: bool
) -> None:
    project.app(
        "counts",
        """
        import prometheus_client
        from flask import Flask
        from prometheus_client import multiprocess
        from config import configure_app

        clicks = prometheus_client.Counter("clicks", "Clicks.")

        def create_app(overrides=None):
            app = Flask(__name__)
            configure_app(app, overrides)

            @app.get("/")
            def index():
                clicks.inc()
                registry = prometheus_client.CollectorRegistry()
                multiprocess.MultiProcessCollector(registry)
                return prometheus_client.generate_latest(registry)

            return app
        """,
    )
    chosen = tmp_path / "chosen"
    server = serve(*["--preload"] * preload, environ={"PROMETHEUS_MULTIPROC_DIR": str(chosen)})
    assert "clicks_total 1.0" in server.get("/counts/").text
    assert "clicks_total 2.0" in server.get("/counts/").text
    assert answered(server, "counts") == 2
    assert list(chosen.glob("counter_*.db"))
    assert not (project.root / "instance" / "run" / "metrics").exists()


def test_a_child_that_an_app_forks_does_not_tell_for_the_host(
    project: Project, serve: Serve
) -> None:
    project.app(
        "forks",
        """
        import os
        import prometheus_client

        clicks = prometheus_client.Counter("clicks", "Clicks.")
        go_on, end = os.pipe()

        def create_app():
            def app(environ, start_response):
                if environ["PATH_INFO"] == "/end":
                    os.write(end, b".")
                else:
                    counted, count = os.pipe()
                    if os.fork() == 0:
                        clicks.inc()
                        os.write(count, b".")
                        os.read(go_on, 1)
                        os._exit(0)
                    os.read(counted, 1)
                start_response("200 OK", [])
                return [b"done"]
            return app
        """,
    )
    server = serve()
    assert server.get("/forks/").status == 200
    samples = scraped(server)
    assert samples["clicks_total", frozenset()] == 1
    until(lambda: value(scraped(server), "app_up", app="forks") == 1, "it is up")
    assert server.get("/forks/end").status == 200


def test_who_may_read_them(project: Project, serve: Serve) -> None:
    project.app("well")
    server = serve(environ={"ROWHOUSE_METRICS_TOKEN": "sesame1"})
    assert server.get("/-/metrics").status == 200
    assert server.get("/-/metrics", X_Forwarded_For="127.0.0.1").status == 401
    wrong = server.get("/-/metrics", Authorization="Bearer sesame")
    assert wrong.status == 401
    assert wrong.headers["WWW-Authenticate"].startswith("Bearer")
    assert wrong.json["status"] == 401
    right = server.get("/-/metrics", Authorization="Bearer sesame1", X_Forwarded_For="192.0.2.1")
    assert right.status == 200
    assert right.headers["Content-Type"].startswith("text/plain")


def test_a_proxy_on_this_machine_makes_nothing_public(
    project: Project, serve: Serve, tmp_path: Path
) -> None:
    project.app("billing", FAILING)
    server = serve()

    def check(url: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{url}/-/ready?verbose", timeout=PATIENCE) as told:
            [found] = json.load(told)["mounts"]["billing"]["checks"] or [{"ok": None}]
            return dict(found)

    direct = f"http://127.0.0.1:{server.port}"
    until(lambda: check(direct)["ok"] is False, "the check has failed")
    assert "s3cret" in check(direct)["detail"]
    upstream = f"proxy_pass {direct}/;"
    locations = f"""
        location /old/ {{ {upstream} proxy_http_version 1.0; }}
        location /host/ {{
            {upstream} proxy_http_version 1.1; proxy_set_header Host apps.example.com;
        }}
        location /told/ {{
            {upstream} proxy_http_version 1.1; proxy_set_header X-Forwarded-For 127.0.0.1;
        }}
    """
    with in_front(tmp_path, locations, "/old/-/live") as base:
        for location in ("old", "host", "told"):
            with pytest.raises(urllib.error.HTTPError, match="403") as refused:
                urllib.request.urlopen(f"{base}/{location}/-/metrics", timeout=PATIENCE)
            refused.value.close()
            told = check(f"{base}/{location}")
            assert (told["name"], told["ok"], told["detail"]) == ("ledger", False, "")
