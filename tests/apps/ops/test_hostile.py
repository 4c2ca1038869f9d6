"""What hostile apps and their visitors say is shown as text, and without its secrets."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from shared_utils.hosting.pages import row_of
from shared_utils.operations import history
from shared_utils.operations.figures import Sample
from shared_utils.operations.totals import Total
from tests.apps.ops.conftest import Console, served
from tests.apps.ops.markup import Tags
from tests.apps.ops.test_access import GUARDED, states
from tests.conftest import ProjectFolder
from tests.hostile import MARKUP

Eventually = Callable[[Callable[[], bool]], None]

HOSTILE = f"""
    from flask import Flask
    from config import configure_app
    from shared_utils import health

    EVIL = {MARKUP!r}

    def unwell():
        raise health.Unwell(EVIL)

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        app.config[EVIL] = EVIL
        app.add_url_rule("/'onclick=evil()", EVIL, lambda: "")
        health.check(app, EVIL, unwell)

        @app.get("/fail/<path:path>")
        def fail(path):
            raise type(EVIL, (Exception,), {{}})(EVIL + "password=hunter2 https://me:hunter2@db/")

        return app
"""


@pytest.fixture
def console(project: ProjectFolder, eventually: Eventually) -> Console:
    """Serve apps that put markup into whatever is shown of them."""
    said = f"title = {json.dumps(MARKUP)}\nowner = {json.dumps(MARKUP)}\n"
    about = f'description = {json.dumps(MARKUP)}\ncontact = "javascript:evil()"\n'
    project.app("hostile", HOSTILE, said + about)
    project.app("down", f"raise ValueError({MARKUP!r})", said)
    console = served(project)
    client = console.client(roles=None)
    for path in ("/hostile/fail/<script>evil()</script>", "/hostile/fail/%3Cimg%20src=x%3E"):
        client.get(path, query_string={"token": "hunter2"}, buffered=True)
    console.act("/ops/apps/down/close", message=MARKUP)
    with (console.folder / "ops-audit.jsonl").open("a") as log:
        keys = ("who", "who_id", "action", "app", "outcome", "message", "client", "request_id")
        entry = dict.fromkeys(keys, MARKUP) | {"at": "2026-01-01T00:00:00+00:00"}
        log.write(json.dumps(entry) + "\n")
    for at, requests in ((1, 0), (2, 5)):
        sample = Sample(at=at, apps={MARKUP: Total(requests=requests)})
        history.append(console.folder / "run" / history.FILE, sample)
    checks = row_of(console.host).checks
    checks.look(0.0)
    eventually(lambda: checks.are_failing("hostile"))
    return console


@pytest.mark.parametrize("app", ["hostile", "down"])
def test_no_page_has_markup_of_an_app(console: Console, app: str) -> None:
    for _, method, url in GUARDED:
        if method != "GET":
            continue
        answer = console.get(url.replace("/shop", f"/{app}"))
        assert answer.status_code == 200, url
        assert "hunter2" not in answer.text, url
        if answer.mimetype == "text/html":
            assert Tags(answer.text).scripts == [], url


def test_what_they_say_is_shown_as_text(console: Console) -> None:
    page = console.get("/ops/apps/hostile").text
    for shown in (
        "/hostile/fail/%3Cscript%3Eevil%28%29%3C/script%3E",
        "password=********",
        "&#39;onclick=evil()",
    ):
        assert shown in page
    assert states(console)["hostile"] == "up"
    assert page.count("&lt;script&gt;evil()&lt;/script&gt;") >= 8
    assert "javascript:evil()</dd>" in page.replace("</span>", "")
    assert 'href="javascript' not in page
    assert "?token" not in page


def test_what_is_not_found_is_not_echoed_as_markup(console: Console) -> None:
    for path in ("now", "recent", "stack", "close", ""):
        answer = console.get(f"/ops/apps/%3Cscript%3Eevil()%3C%2Fscript%3E/{path}".rstrip("/"))
        assert Tags(answer.text).scripts == [], path
    echoed = console.get("/ops/apps/shop/stack?request=%3Cscript%3Eevil()%3C/script%3E").text
    assert "&lt;script&gt;evil()" in echoed
    assert Tags(echoed).scripts == []


def test_charts_are_json_that_no_browser_takes_for_a_page(console: Console) -> None:
    answer = console.client().get("/ops/history", headers={"Accept": "text/html"}, buffered=True)
    assert answer.mimetype == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
