from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from apps.ops import create_app
from apps.ops.filters import ago
from shared_utils.hosting.pages import row_of
from shared_utils.identity.testing import sign_in
from shared_utils.operations import history
from shared_utils.operations.figures import Sample
from shared_utils.operations.totals import Total
from shared_utils.sibling import sibling_of
from shared_utils.tasks.presence import announce
from tests.apps.ops.conftest import Console, Quiet, served
from tests.conftest import ProjectFolder


def test_each_app_has_a_row_and_those_in_trouble_come_first(console: Console) -> None:
    page = console.get("/ops/").text
    places = [page.index(f">{title}</a>") for title in ("Broken", "Billing", "Operations", "Shop")]
    assert places == sorted(places)
    assert "Down: ModuleNotFoundError: No module named &#39;nothing_there&#39;" in page
    assert 'href="mailto:s@example.com"' in page
    assert "&lt;b&gt;" in page
    assert "1 of 4 apps needs a look." in page
    assert "1 worker." in page


def test_figures_are_those_of_the_last_seconds(console: Console) -> None:
    path, now = console.folder / "run" / history.FILE, time.time()
    for age, requests in ((16, 0), (11, 100), (6, 500), (1, 1000)):
        total = Total(requests=requests, errors=requests / 2, cpu=requests / 1000)
        history.append(path, Sample(at=now - age, apps={"billing": total, "shop": Total()}))
    page = console.get("/ops/rows").text
    assert page.index(">Billing</a>") < page.index(">Shop</a>")
    assert "Failing: 50% of requests end in an error" in page
    assert '<b class="bad">50%</b>' in page
    assert page.count('<b class="bad">') == 1
    assert '<dd class="bad">50%</dd>' in console.get("/ops/apps/billing/now").text
    assert ">67<" in page  # requests a second
    assert "taken <time" in page
    charts = json.loads(console.client().get("/ops/history", headers={"Accept": "*/*"}).text)
    assert charts["apps"]["billing"]["rate"] == [20, 80, 100]
    assert charts["apps"]["shop"]["p99"] == [None, None, None]
    query = {"since": charts["at"][1], "app": "billing"}
    more = console.client().get("/ops/history", query_string=query, headers={"Accept": "*/*"})
    told = json.loads(more.text)
    assert told["at"] == charts["at"][2:]
    assert list(told["apps"]) == ["billing"]
    assert told["apps"]["billing"]["rate"] == [100]
    query["since"] = charts["at"][2]
    more = console.client().get("/ops/history", query_string=query, headers={"Accept": "*/*"})
    assert json.loads(more.text)["at"] == []


def test_figures_that_are_old_are_not_told_as_those_of_now(console: Console) -> None:
    path, now = console.folder / "run" / history.FILE, time.time()
    for age, requests in ((100, 0), (95, 100)):
        history.append(path, Sample(at=now - age, apps={"shop": Total(requests=requests)}))
    assert ">20<" not in console.get("/ops/").text


def test_an_app_has_a_page_of_its_own(console: Console) -> None:
    console.client().get("/billing/invoices/7", buffered=True)
    page = console.get("/ops/apps/billing").text
    assert "GET /billing/invoices/7" in page
    assert "/billing/&lt;path:path&gt;" in page  # a route
    assert "API_TOKEN" in page
    assert "the secret of billing" not in page
    assert "********" in page
    assert "Nothing at the moment." in page


def test_the_page_of_an_app_that_is_down_says_why(console: Console) -> None:
    page = console.get("/ops/apps/broken").text
    assert "No module named" in page
    assert "Build again now" in page
    assert "Build again now" not in console.get("/ops/apps/shop").text


def test_an_app_that_is_not_there_is_404(console: Console) -> None:
    for path in ("", "/now", "/recent", "/close", "/open", "/rebuild"):
        assert console.get(f"/ops/apps/nothing{path}").status_code == 404


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("shop", ["worker", "running", "recent", "inside"]),
        ("shop/now", ["worker", "running"]),
        ("shop/recent", ["recent"]),
        ("nothing", ["worker"]),
        ("nothing/now", ["worker"]),
        ("nothing/recent", ["recent"]),
    ],
)
def test_workers_are_asked_what_a_page_shows_and_no_more(
    console: Console, path: str, asked: list[str]
) -> None:
    console.get(f"/ops/apps/{path}")
    host = sibling_of(console.ops).host
    assert isinstance(host, Quiet)
    assert host.asked == asked


def test_a_request_that_runs_is_shown_with_its_stack(console: Console) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait_for_the_test() -> str:
        begun.set()
        go_on.wait(60)
        return "done"

    shop = row_of(console.host).mounts["shop"].flask_app
    assert shop is not None
    shop.view_functions["index"] = wait_for_the_test
    thread = threading.Thread(target=lambda: console.client().get("/shop/", buffered=True))
    thread.start()
    try:
        assert begun.wait(60)
        page = console.get("/ops/apps/shop/now").text
        assert "GET /shop/" in page
        url = page.split('hx-get="')[1].split('"')[0].replace("&amp;", "&")
        whole, part = console.get(url).text, console.get(url, HX_Request="true").text
        assert "in wait_for_the_test" in whole
        assert "<!doctype html>" in whole
        assert "in wait_for_the_test" in part
        assert "<!doctype html>" not in part
        other = url.replace("request=", "request=x")
        assert "does not run any more" in console.get(other).text
    finally:
        go_on.set()
        thread.join()
    assert "does not run any more" in console.get(url).text


def test_words_that_are_no_numbers_are_no_error(console: Console) -> None:
    page = console.get("/ops/apps/shop/stack?worker=x&thread=99999999999999999999&request=%00")
    assert page.status_code == 200


@pytest.fixture
def alone(tmp_path: Path) -> Flask:
    app = create_app({"SECRET_KEY": "for tests"})
    app.instance_path = str(tmp_path)
    return app


def test_alone_it_says_that_there_is_no_host(alone: Flask) -> None:
    client = alone.test_client()
    sign_in(client, "ann", roles=["operator"])
    page = client.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "There is no host to look at" in page.text
    assert client.get("/apps/x", headers={"Accept": "text/html"}).status_code == 503
    polled = client.get("/rows", headers={"Accept": "*/*"})
    assert (polled.status_code, polled.mimetype) == (503, "application/problem+json")
    assert client.get("/audit", headers={"Accept": "text/html"}).status_code == 200


def test_what_others_wrote_is_named_with_its_licence() -> None:
    folder = Path(create_app({"SECRET_KEY": "x"}).static_folder or "") / "vendor"
    told = (folder / "README.md").read_text()
    for path in folder.iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in told
    assert "1.6.32" in (folder / "uPlot.min.js").read_text()[:200]
    assert '"2.0.11"' in (folder / "htmx.min.js").read_text()


def test_a_moment_is_put_as_how_long_ago_it_was() -> None:
    now = time.time()
    assert [ago(now - x) for x in (0, 50, 500, 50_000, 500_000)] == [
        "now",
        "50 s ago",
        "8 min ago",
        "14 h ago",
        "6 days ago",
    ]


def test_history_is_json_that_a_browser_reads(console: Console) -> None:
    answer = console.client().get("/ops/history", headers={"Accept": "*/*"})
    assert json.loads(answer.text) == {"at": [], "apps": {}}
    for since in ("nan", "inf", "-inf", "x", "1e999"):
        answer = console.client().get(f"/ops/history?since={since}", headers={"Accept": "*/*"})
        assert json.loads(answer.text) == {"at": [], "apps": {}}


NEEDS_A_WORKER = """
    from functools import partial
    from flask import Flask
    from config import configure_app
    from shared_utils import health
    from shared_utils.tasks import require_worker

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        health.check(app, "task worker", partial(require_worker, "imports"), every=1)
        return app
"""


def test_it_says_whether_a_task_worker_listens(
    project: ProjectFolder,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    eventually: Callable[[Callable[[], bool]], None],
) -> None:
    monkeypatch.setattr("shared_utils.tasks.presence.folder", lambda: tmp_path / "workers")
    monkeypatch.delenv("ROWHOUSE_BROKER_URL", raising=False)
    project.app("imports", NEEDS_A_WORKER, 'title = "Imports"')
    console = served(project)
    checks = row_of(console.host).checks
    page = console.get("/ops/apps/imports").text
    assert "It has none." in page  # not looked at so far
    checks.look(0.0)
    eventually(lambda: checks.are_failing("imports"))
    said = "no task worker listens to imports, so jobs wait; run: rowhouse worker"
    assert f"Check fails: task worker: {said}" in console.get("/ops/rows").text
    page = console.get("/ops/apps/imports").text
    assert "task worker fails" in page
    assert said in page

    with announce(["imports"], tmp_path / "workers"):
        checks.look(time.monotonic() + 10)  # it is due again
        eventually(lambda: not checks.are_failing("imports"))
    assert "task worker passes" in console.get("/ops/apps/imports").text
    assert "Check fails" not in console.get("/ops/rows").text
