"""The operator's console in a real browser, while a load runs on the apps that it shows."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from shared_utils.identity.keys import PUBLIC_KEYS
from shared_utils.identity.testing import sign_in
from shared_utils.operations import history
from shared_utils.operations.figures import Sample
from shared_utils.operations.totals import Total
from shared_utils.sibling import IDENTITY_COOKIE
from tests.running import PATIENCE, Project, Server, until
from tests.serving.browsing import assert_laid_out, note_faults
from tests.serving.siblings import GATED, Gate
from tests.serving.test_console import FAILING, listening, served_by_all

pytestmark = pytest.mark.slow

Open = Callable[..., Page]

SHOP = "Shop <img src=x onerror=alert(1)>"
"""A title that a page has to show as text, in tables and in charts."""


@pytest.fixture(scope="module")
def token() -> tuple[str, str]:
    """Return a token of an operator, and the keys that a server has to know to believe it."""
    app = Flask("keys")
    made = sign_in(app, "ann", roles=["operator"])
    return made, json.dumps(app.config[PUBLIC_KEYS])


@pytest.fixture(scope="module")
def row(tmp_path_factory: pytest.TempPathFactory, token: tuple[str, str]) -> Iterator[Server]:
    """Serve three apps that are asked all the time: one is well, one fails, one hangs."""
    project = Project(tmp_path_factory.mktemp("console"))
    project.copy_app("ops")
    project.app("shop", manifest=f"title = {json.dumps(SHOP)}\nowner = 'team-shop'\n")
    about = 'owner = "team-billing"\ncontact = "billing@example.com"\n'
    project.app("billing", FAILING, f'title = "Billing"\n{about}')
    project.app("gated", GATED, 'title = "Gated"\nowner = "team-gated"')
    project.operator("mounts.gated.limits.deadline = 0.0\n")
    gate = Gate(project)
    server = Server(project, workers=2, environ={"OPS_IDENTITY_PUBLIC_KEYS": token[1]})
    is_over = threading.Event()
    until(lambda: len(listening(project)) == 2, "both workers listen")
    remember(project)

    def ask(path: str) -> None:
        while not is_over.wait(0.05):
            with contextlib.suppress(OSError, http.client.HTTPException):
                server.get(path)

    paths = ["/shop/", "/billing/", *["/gated/wait/x"] * 4]
    threads = [threading.Thread(target=ask, args=[path], daemon=True) for path in paths]
    for thread in threads:
        thread.start()
    yield server
    is_over.set()
    gate.close()
    server.stop()
    for thread in threads:
        thread.join(PATIENCE)


def remember(project: Project) -> None:
    """Give the host a past, so that there is something to draw at once."""
    (folder,) = (project.root / "instance" / "run").glob("workers-of-*")
    for ago in (20, 15, 10):
        apps = {name: Total(requests=100 - ago) for name in ("shop", "billing", "gated")}
        history.append(folder / history.FILE, Sample(at=time.time() - ago, apps=apps))


@pytest.fixture
def seen() -> list[str]:
    """Return what pages should not do: fail, complain, or ask another host."""
    return []


@pytest.fixture
def visit(browser: Browser, row: Server, token: tuple[str, str], seen: list[str]) -> Iterator[Open]:
    base = f"http://127.0.0.1:{row.port}"
    with contextlib.ExitStack() as stack:

        def made(path: str, **options: object) -> Page:
            context = browser.new_context(base_url=base, **options)  # type: ignore[arg-type]
            stack.callback(context.close)
            cookie = {"name": IDENTITY_COOKIE, "value": token[0], "url": base}
            context.add_cookies([cookie])  # type: ignore[list-item]
            page = context.new_page()
            page.set_default_timeout(PATIENCE * 1000)
            note_faults(page, base, seen.append)
            page.goto(path)
            return page

        yield made


def test_the_culprit_is_obvious_and_is_closed_from_the_page(
    row: Server, visit: Open, seen: list[str]
) -> None:
    page = visit("/ops/")
    rows = page.locator("#rows tbody tr")
    # By itself: the page is not loaded again.
    expect(rows.filter(has_text="Gated")).to_contain_text(
        re.compile(r"Hanging: 4 requests run for up to \d+ (s|min)")
    )
    expect(rows.filter(has_text="Billing")).to_contain_text("Failing: 100%")
    expect(rows.nth(0)).to_contain_text("Gated")
    expect(rows.nth(1)).to_contain_text("Billing")
    expect(rows.nth(1)).to_contain_text("ValueError: no such invoice")
    expect(rows.filter(has_text="Shop").locator(".verdict")).to_have_count(0)
    expect(page.locator("#rows")).to_contain_text("2 of 4 apps need a look.")
    expect(page.locator(".plots canvas")).to_have_count(8)

    page.get_by_role("link", name="Gated").click()
    page.get_by_role("link", name="Stack").first.click()
    expect(page.locator("#stack")).to_contain_text("gate.read(1)")
    expect(page).to_have_url(re.compile("/ops/apps/gated$"))

    page.goto("/ops/apps/billing")
    page.get_by_role("link", name="Close for maintenance").click()
    page.get_by_label("Message for its visitors").fill("Back at noon")
    page.get_by_role("button", name="Close Billing").click()
    expect(page.locator("main")).to_contain_text("Back at noon")
    until(lambda: served_by_all(row, "/billing/", 503), "all workers have closed it")
    assert row.get("/billing/").json["detail"] == "Back at noon"
    page.get_by_role("link", name="End maintenance").click()
    page.get_by_role("button", name="Open Billing").click()
    until(lambda: served_by_all(row, "/billing/", 500), "all workers have opened it")
    page.get_by_role("link", name="Audit log").click()
    expect(page.locator("tbody tr").nth(0)).to_contain_text("Ended maintenance")
    expect(page.locator("tbody tr").nth(1)).to_contain_text("Back at noon")
    page.wait_for_load_state("networkidle")
    assert seen == []


def polled(page: Page, part: str) -> str:
    """Wait until this part of a page was asked for, and what came is shown; return its URL."""
    with page.expect_response(lambda response: part in response.url) as answer:
        pass
    answer.value.finished()
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    return answer.value.url


def test_what_changes_by_itself_leaves_in_peace_who_reads_it(visit: Open, seen: list[str]) -> None:
    page = visit("/ops/", viewport={"width": 800, "height": 700})
    expect(page.locator(".plots canvas")).to_have_count(8)
    rows = page.locator("#rows tbody tr")  # in their places from now on
    expect(rows.nth(0)).to_contain_text("Hanging")
    expect(rows.nth(1)).to_contain_text("Failing")
    page.locator("#contact-billing").focus()
    page.evaluate("document.querySelector('.apps').scrollLeft = 120; scrollTo(0, 60)")
    page.evaluate("getSelection().selectAllChildren(document.getElementById('app-shop'))")
    page.evaluate("document.getElementById('app-shop').wasHere = true")
    for _ in range(2):
        polled(page, "/rows")
    assert page.evaluate(
        """[document.activeElement.id, document.querySelector('.apps').scrollLeft, scrollY,
            getSelection().toString(), document.getElementById('app-shop').wasHere]"""
    ) == ["contact-billing", 120, 60, SHOP, True]
    outline = "each => getComputedStyle(each).outlineStyle"
    page.keyboard.press("Shift+Tab")
    assert page.locator(":focus").evaluate(outline) == "solid"

    # Charts: what is under the cursor is told, and nothing moves.
    heights = "[...document.querySelectorAll('figure')].map((each) => each.offsetHeight)"
    figure = page.locator("figure", has_text="Requests a second")
    figure.scroll_into_view_if_needed()
    before = page.evaluate(heights)
    plot = figure.locator(".u-over")
    size = plot.bounding_box()
    assert size
    plot.hover(position={"x": size["width"] - 2, "y": 20})
    expect(page.locator("[data-moment]")).to_contain_text("at ")
    assert "since=0" not in polled(page, "/history")  # only what is new
    expect(page.locator("[data-moment]")).to_contain_text("at ")
    assert page.evaluate(heights) == before
    assert len(set(before)) == 1
    expect(page.locator(".plots canvas")).to_have_count(8)
    expect(figure.locator("output")).to_contain_text("Billing")
    expect(page.locator(".legend li").filter(has_text="Shop")).to_have_text(SHOP)
    page.locator(".legend li").nth(0).hover()
    expect(page.locator("[data-moment]")).to_be_empty()

    page.goto("/ops/apps/gated")
    page.get_by_text("Config", exact=True).click()
    request = page.get_by_role("link", name="Stack").first.get_attribute("id")
    stack = page.locator(f"#{request}")  # of requests as old as each other, another may be first
    stack.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#stack")).to_contain_text("gate.read(1)")
    polled(page, "/now")
    expect(page.locator("#stack")).to_contain_text("gate.read(1)")
    expect(stack).to_be_focused()
    expect(page.locator("details[open]")).to_have_count(1)
    page.wait_for_load_state("networkidle")
    assert seen == []


def test_a_page_whose_operator_is_signed_out_says_so(visit: Open) -> None:
    page = visit("/ops/")
    expect(page.locator("#asking")).to_be_hidden()
    page.context.clear_cookies()
    expect(page.get_by_role("alert")).to_contain_text("You are not signed in any more.")
    expect(page.locator("#rows tbody tr")).to_have_count(4)  # old, but there


def test_nothing_is_asked_while_the_tab_is_hidden(visit: Open) -> None:
    page = visit("/ops/")
    asked: list[str] = []
    page.wait_for_load_state("networkidle")
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => window.away})")
    page.evaluate("window.away = true")
    page.on("request", lambda request: asked.append(request.url))
    # What would have asked says that it was about to.
    page.evaluate(
        "new Promise((done) => document.addEventListener('htmx:beforeRequest', done, {once: true}))"
        ".then(() => 0)"
    )
    assert asked == []
    page.evaluate("window.away = false")
    page.wait_for_event("request")


def test_pages_fit_a_desk_and_a_phone_by_day_and_by_night(visit: Open, seen: list[str]) -> None:
    page = visit("/ops/")
    expect(page.locator(".plots canvas")).to_have_count(8)
    for path in (
        *("", "apps/billing", "apps/gated", "audit"),
        *(f"apps/billing/{action}" for action in ("close", "open", "rebuild")),
    ):
        page.goto(f"/ops/{path}")
        page.wait_for_load_state("networkidle")
        assert_laid_out(page)
    assert seen == []


def test_it_works_without_a_script(visit: Open, seen: list[str]) -> None:
    page = visit("/ops/", java_script_enabled=False)
    expect(page.locator("#rows tbody tr")).to_have_count(4)
    page.get_by_role("link", name="Gated").click()
    page.get_by_role("link", name="Stack").first.click()
    expect(page.locator("pre")).to_contain_text("gate.read(1)")
    page.goto("/ops/apps/shop/close")
    page.get_by_role("button", name="Close Shop").click()
    expect(page.locator("main")).to_contain_text("Maintenance")
    page.get_by_role("link", name="End maintenance").click()
    page.get_by_role("button", name="Open Shop").click()
    expect(page.locator("main")).to_contain_text("open again")
    assert seen == []
