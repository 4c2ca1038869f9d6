"""Who may come in: tested for every route that there is."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from werkzeug.test import Client, TestResponse

from apps.ops import create_app
from apps.ops.hooks import OPEN
from shared_utils.hosting.pages import row_of
from tests import hostile
from tests.apps.ops.conftest import Console, served
from tests.apps.ops.markup import Tags
from tests.conftest import GREETER, ProjectFolder

VALUES = {"name": "shop", "filename": "ops.css", "digest": "0", "path": "x"}


def every_route() -> Iterator[tuple[str, str, str]]:
    app = create_app({"SECRET_KEY": "for tests"})
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            values = {key: VALUES[key] for key in rule.arguments}
            url = app.url_map.bind("localhost").build(rule.endpoint, values)
            for method in sorted((rule.methods or set()) - {"OPTIONS"}):
                yield rule.endpoint, method, f"/ops{url}"


ROUTES = list(every_route())
GUARDED = [route for route in ROUTES if route[0] not in OPEN]
ACTIONS = [url for _, method, url in GUARDED if method == "POST"]


def asked(client: Client, method: str, url: str, accept: str) -> TestResponse:
    return client.open(url, method=method, headers={"Accept": accept}, buffered=True)


def test_there_are_routes_of_each_kind() -> None:
    names = {endpoint for endpoint, _, _ in GUARDED}
    assert names >= {"row.index", "row.rows", "row.history", "row.audit", "apps.show"}
    assert names >= {"apps.stack", "actions.close", "actions.open_again", "actions.rebuild"}
    assert {endpoint for endpoint, _, _ in ROUTES} - names == OPEN
    assert {method for _, method, _ in ROUTES} == {"GET", "HEAD", "POST"}
    assert len(ACTIONS) == 3


def test_without_the_role_every_route_is_forbidden(console: Console) -> None:
    for roles in ((), ("user",)):
        client = console.client(roles=roles)
        for _, method, url in GUARDED:
            for accept in ("text/html", "*/*", "application/json"):
                assert asked(client, method, url, accept).status_code == 403, (method, url)
    assert not (console.folder / "ops-audit.jsonl").exists()
    assert not (console.folder / "maintenance").exists()


def test_not_signed_in_pages_lead_to_sign_in_and_what_is_polled_gets_401(
    project: ProjectFolder,
) -> None:
    project.app("accounts", GREETER)
    console = served(project)
    client = console.client(roles=None)
    for _, method, url in GUARDED:
        page = asked(client, method, url, "text/html")
        assert page.status_code == 303, (method, url)
        place, _, query = page.headers["Location"].partition("?")
        assert place == "/accounts/sign-in", (method, url)
        if method != "POST":
            assert query == urlencode({"next": url}), url
        for accept in ("*/*", "application/json"):
            assert asked(client, method, url, accept).status_code == 401, (method, url)


def test_an_operator_may_ask_every_route(console: Console) -> None:
    client = console.client()
    for _, method, url in GUARDED:
        if method != "POST":
            assert asked(client, method, url, "text/html").status_code == 200, (method, url)


def states(console: Console) -> dict[str, str]:
    return {name: mounted.state for name, mounted in row_of(console.host).mounts.items()}


def test_an_action_without_our_own_form_does_nothing(console: Console) -> None:
    before = states(console)
    strangers = console.client()
    strangers_form = strangers.get("/ops/apps/shop/close", buffered=True).text
    token = strangers_form.split('name="csrf_token" type="hidden" value="')[1].split('"')[0]
    client = console.client()
    for url in ACTIONS:
        for sent in ({}, {"csrf_token": ""}, {"csrf_token": "x"}, {"csrf_token": token}):
            answer = client.post(url, data=sent, headers={"Accept": "text/html"}, buffered=True)
            assert answer.status_code == 400, (url, sent)
        client.get(url, query_string={"message": "x", "csrf_token": token}, buffered=True)
    assert states(console) == before
    assert not (console.folder / "ops-audit.jsonl").exists()


def test_every_action_leaves_a_line_with_who_and_when(console: Console) -> None:
    log = console.folder / "ops-audit.jsonl"
    for number, url in enumerate(ACTIONS, start=1):
        before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        assert console.act(url).status_code == 200
        lines = log.read_text().splitlines()
        assert len(lines) == number, url
        told = json.loads(lines[-1])
        assert (told["who"], told["who_id"], told["client"]) == ("ann", "ann", "192.0.2.7")
        assert (told["app"], told["action"]) == ("shop", url.rpartition("/")[2])
        at = datetime.datetime.fromisoformat(told["at"])
        assert before <= at <= datetime.datetime.now(datetime.UTC)


def test_pages_may_load_nothing_that_is_not_ours_and_are_kept_nowhere(console: Console) -> None:
    page = console.get("/ops/")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"
    tags = Tags(page.text)
    assert tags.scripts == []
    assert {url.rpartition(".")[2] for url in tags.loaded} >= {"js", "css", "svg"}
    assert [url for url in tags.loaded if not url.startswith(("/ops/static/", "/-/look/"))] == []


@pytest.mark.parametrize(
    "markup",
    [
        *("<p onclick='x()'>", "<p hx-on:click='x()'>", "<p style='x'>", "<style>", "<script>"),
        *("<script src='//x/ops/static/x.js'>", "<a href=' JavaScript:x()'>", hostile.MARKUP),
    ],
)
def test_what_could_run_in_a_page_would_be_found(markup: str) -> None:
    assert Tags(f"<p class='x'>{markup}").scripts
