"""The operator's console in front of real workers: it sees all of them, and needs none of them."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import threading
import urllib.parse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from shared_utils.identity.keys import PUBLIC_KEYS
from shared_utils.identity.testing import sign_in
from shared_utils.sibling import IDENTITY_COOKIE
from tests.running import PATIENCE, Project, Serve, Server, until
from tests.serving.siblings import GATED, Gate

FAILING = """
    from flask import Flask
    from config import configure_app
    from shared_utils import health

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        health.check(app, "ledger", lambda: int("x"), every=0.5)

        @app.get("/")
        def index():
            raise ValueError("no such invoice")

        return app
"""


class Operator:
    """An operator at the console of a server."""

    def __init__(self, server: Server, token: str) -> None:
        self.server = server
        self._cookie = f"{IDENTITY_COOKIE}={token}"

    def get(self, path: str) -> str:
        answer = self.server.get(path, Cookie=self._cookie, Accept="text/html")
        assert answer.status == 200, answer.text
        return answer.text

    def history(self) -> Any:
        return json.loads(self.get("/ops/history"))

    def act(self, path: str, **fields: str) -> None:
        """Fill in the form at ``path``, and send it."""
        answer = self.server.get(path, Cookie=self._cookie, Accept="text/html")
        token = re.search(r'name="csrf_token" type="hidden" value="([^"]+)"', answer.text)
        session = re.search(r"ops_session=[^;]+", str(answer.headers))
        assert token
        assert session
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        connection.request(
            "POST",
            path,
            urllib.parse.urlencode({"csrf_token": token[1], **fields}),
            {
                "Cookie": f"{self._cookie}; {session[0]}",
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "text/html",
            },
        )
        response = connection.getresponse()
        assert response.status == 303, response.read()
        connection.close()


@pytest.fixture
def keys() -> Iterator[tuple[str, dict[str, str]]]:
    """Give a token of an operator, and what a server has to know to believe it."""
    app = Flask("keys")
    token = sign_in(app, "ann", roles=["operator"])
    yield token, {"OPS_IDENTITY_PUBLIC_KEYS": json.dumps(app.config[PUBLIC_KEYS])}


@pytest.fixture
def operator(
    project: Project, serve: Serve, keys: tuple[str, dict[str, str]], gate: Gate
) -> Operator:
    token, environ = keys
    project.copy_app("ops")
    project.app("shop", manifest='title = "Shop"')
    project.app("billing", FAILING, 'title = "Billing"')
    project.app("gated", GATED, 'title = "Gated"')
    project.app("broken", "import nothing_there", 'title = "Broken"')
    return Operator(serve(workers=2, environ=environ), token)


def listening(project: Project) -> set[int]:
    sockets = (project.root / "instance" / "run").glob("workers-of-*/*.sock")
    return {int(path.stem) for path in sockets}


def served_by_all(server: Server, path: str, status: int) -> bool:
    """Say whether so many requests at once that each worker gets some have this one answer."""
    seen: list[int] = []
    threads = [
        threading.Thread(target=lambda: seen.append(server.get(path).status)) for _ in range(24)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return set(seen) == {status}


def test_all_workers_are_seen_and_told(project: Project, operator: Operator, gate: Gate) -> None:
    until(lambda: len(listening(project)) == 2, "both workers listen")
    until(lambda: listening(project) == operator.server.workers(), "and nobody else")
    until(lambda: "2 workers" in operator.get("/ops/rows"), "both workers answer")
    until(lambda: "Down: ModuleNotFoundError" in operator.get("/ops/"), "one is seen to be down")

    threads = [
        threading.Thread(target=operator.server.get, args=[f"/gated/wait/{n}"]) for n in range(6)
    ]
    for thread in threads:
        thread.start()

    def stuck() -> str:
        return operator.get("/ops/apps/gated/now")

    until(lambda: stuck().count("GET /gated/wait/") == 6, "six requests run")
    url = re.search(r'hx-get="([^"]+)"', stuck())
    assert url
    stack = url[1].replace("&amp;", "&")
    until(lambda: "gate.read(1)" in operator.get(stack), "its stack is seen")
    gate.open(6)
    for thread in threads:
        thread.join()

    for _ in range(30):
        operator.server.get("/billing/")
    for seen in ("GET /billing/", "ledger fails"):
        until(lambda seen=seen: seen in operator.get("/ops/apps/billing"), seen)  # type: ignore[misc]
    # Figures are of all workers: whichever sampled, and whichever answers.
    until(lambda: "Failing: 100%" in operator.get("/ops/rows"), "billing is seen to fail")

    operator.act("/ops/apps/shop/close", message="Noon")
    until(lambda: served_by_all(operator.server, "/shop/", 503), "all workers have closed it")
    operator.act("/ops/apps/shop/open")
    until(lambda: served_by_all(operator.server, "/shop/", 200), "all workers have opened it")

    project.app("broken")
    operator.act("/ops/apps/broken/rebuild")
    until(lambda: served_by_all(operator.server, "/broken/", 200), "all workers have built it")
    lines = (project.root / "instance" / "ops-audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["close", "open", "rebuild"]
    assert "of 2 workers" in lines[2]  # one may have tried again by itself just before


@pytest.mark.slow
def test_a_worker_that_hangs_or_dies_takes_neither_console_nor_history_along(
    project: Project, operator: Operator
) -> None:
    until(lambda: len(listening(project)) == 2, "both workers listen")
    one, other = sorted(operator.server.workers())
    # The interpreter of one stands still, as where a library holds it.
    os.kill(one, signal.SIGSTOP)
    try:

        def is_told() -> bool:
            page = operator.get("/ops/rows")
            return f"Worker {one} does not answer" in page and "1 worker." in page

        until(is_told, "the page says who does not answer")
        before = len(operator.history()["at"])
        until(lambda: len(operator.history()["at"]) > before + 1, "the other one samples")
    finally:
        os.kill(one, signal.SIGCONT)
    until(lambda: "2 workers" in operator.get("/ops/rows"), "it answers again")

    os.kill(other, signal.SIGKILL)
    until(lambda: operator.server.workers() not in ({one}, {one, other}), "a successor")
    until(lambda: "2 workers" in operator.get("/ops/rows"), "the successor answers")
    until(lambda: listening(project) == operator.server.workers(), "no socket is left")
    before = len(operator.history()["at"])
    until(lambda: len(operator.history()["at"]) > before, "somebody goes on sampling")


HARM = {
    "removed": None,
    "broken": "def create_app(:\n",
    "without its packages": "import a_package_that_is_not_installed\n",
    "hanging at its start": """
        import threading

        def create_app(overrides=None):
            threading.Event().wait()
    """,
    "failing at each request": """
        def create_app(overrides=None):
            def application(environ, start_response):
                raise RuntimeError("the console is broken")

            return application
    """,
}


@pytest.mark.parametrize("harm", HARM)
def test_without_the_console_everything_else_works(
    project: Project, serve: Serve, harm: str
) -> None:
    project.copy_app("ops")
    project.copy_app("home")
    project.app("shop")
    project.app("billing", FAILING)
    project.operator("host.startup_wait = 0.2\nmounts.home.prefix = '/'\n")
    ops = project.root / "apps" / "ops"
    if source := HARM[harm]:
        project.write(ops / "__init__.py", source)
    else:
        shutil.rmtree(ops)
    server = serve(workers=2)
    # Which is built last is not known: who takes longer than startup_wait is left to itself.
    is_failing = harm == "failing at each request"
    expected = 404 if harm == "removed" else 500 if is_failing else 503
    for path, status in (("/shop/", 200), ("/billing/", 500), ("/", 200), ("/ops/", expected)):
        until(partial(served_by_all, server, path, status), f"both workers answer {path}: {status}")
    assert server.get("/shop/").text == "shop"
    assert ("Operations" in server.get("/", Accept="text/html").text) == (harm != "removed")
    assert [server.get(f"/-/{page}").status for page in ("live", "ready", "metrics")] == [200] * 3

    # What the console shows and does goes on without it.
    until(lambda: listening(project) == server.workers(), "both workers listen")
    run = project.root / "instance" / "run"
    until(lambda: any(run.glob("workers-of-*/history.jsonl")), "samples are taken")
    assert project.rowhouse("maintenance", "shop", "on").returncode == 0
    until(lambda: served_by_all(server, "/shop/", 503), "all workers have closed it")
    assert project.rowhouse("maintenance", "shop", "off").returncode == 0
    until(lambda: served_by_all(server, "/shop/", 200), "all workers have opened it")


def test_readiness_tells_of_checks_and_counts_those_of_required_apps(
    project: Project, serve: Serve
) -> None:
    project.app("billing", FAILING)
    server = serve()

    def checks() -> Any:
        return server.get("/-/ready?verbose").json["mounts"]["billing"]["checks"]

    until(lambda: any(check["ok"] is False for check in checks()), "the check has failed")
    assert checks()[0]["name"] == "ledger"
    assert checks()[0]["detail"].startswith("ValueError: invalid literal")
    assert server.get("/-/ready").status == 200
    assert "checks" not in server.get("/-/ready").json["mounts"]["billing"]
    server.stop()

    project.operator("[mounts.billing]\nrequired = true\n")
    server = serve()

    def is_up_and_unwell() -> bool:
        answer = server.get("/-/ready")
        return (answer.status, answer.json["mounts"]["billing"]["state"]) == (503, "up")

    until(is_up_and_unwell, "the host is not ready")


def test_a_short_path_is_found_where_the_folder_is_deep(tmp_path: Path, serve: Serve) -> None:
    """A socket's address has room for 108 bytes."""
    root = tmp_path / ("deep" * 30)
    root.mkdir()
    project = Project(root)
    project.app("shop")
    server = Server(project, workers=1, environ=None)
    try:
        until(lambda: server.get("/shop/").status == 200, "it serves")
        until(lambda: listening(project) == server.workers(), "its worker listens")
    finally:
        server.stop()
