"""A person and the three shipped apps, in a real browser: as `make serve` runs them."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.running import (
    PATIENCE,
    REPOSITORY,
    Project,
    Serve,
    Server,
    clean_environment,
    until,
)
from tests.serving.browsing import assert_laid_out, faults_of_layout, note_faults

pytestmark = pytest.mark.slow

ROWS = 10_000
MANY = 100_000
"""Rows whose import takes so long that anybody sees how far it is."""
PASSWORD = "correct horse battery 77"

BAR = """
    window.barSeen = [];
    new MutationObserver(() => {
      const bar = document.querySelector("progress[value]");
      if (bar && bar.value !== window.barSeen.at(-1)) window.barSeen.push(bar.value);
    }).observe(document, { attributes: true, childList: true, subtree: true });
"""
"""Writes down what a progress bar shows, whenever the page changes."""


def set_up(project: Project) -> None:
    for name in ("accounts", "home", "trades"):
        project.copy_app(name)
    project.operator((REPOSITORY / "rowhouse.toml").read_text())
    for command in (["db", "upgrade"], ["prepare"]):
        ran = project.rowhouse(*command)
        assert ran.returncode == 0, ran.stderr


@pytest.fixture(scope="module")
def row(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve all of them, with a worker; everybody who comes is somebody else."""
    project = Project(tmp_path_factory.mktemp("row"))
    set_up(project)
    with (project.root / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "dispatcher", "worker"],
            cwd=project.root,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    server = Server(project, environ={})
    yield server
    server.stop()
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


class Person:
    """Somebody at a browser, who notes what a page should not do: fail, complain, ask elsewhere."""

    def __init__(self, browser: Browser, server: Server) -> None:
        base = f"http://127.0.0.1:{server.port}"
        self.page = browser.new_page(base_url=base)
        self.page.set_default_timeout(PATIENCE * 1000)
        self.faults: list[str] = []
        note_faults(self.page, base, self.faults.append)

    def look(self) -> None:
        """Look at the page on a desk and on a phone, by day and by night."""
        # What a page asks for once it is there is seen to come, too.
        self.page.wait_for_load_state("networkidle")
        assert_laid_out(self.page)

    def visit(self, *paths: str) -> None:
        """Look at pages, one after another."""
        for path in paths:
            self.page.goto(path)
            self.look()

    def sign_up(self) -> None:
        name = f"p{uuid.uuid4().hex[:12]}"
        self.page.goto("/accounts/sign-up")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.page.get_by_label("Password again").fill(PASSWORD)
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_role("banner")).to_contain_text(name)

    def import_file(self, path: Path) -> None:
        self.page.goto("/trades/imports/")
        self.page.get_by_label("File").set_input_files(path)
        self.page.get_by_role("button", name="Import").click()
        self.page.wait_for_url(re.compile(r"/imports/\d+$"))

    def refused(self, what: str, status: int) -> None:
        """Say that the last answer had to have this status; the browser says so on its console."""
        is_told = re.compile(rf"{status}: |status of {status} ")
        assert [fault for fault in self.faults if is_told.search(fault)], what
        self.faults[:] = [fault for fault in self.faults if not is_told.search(fault)]


@pytest.fixture
def person(browser: Browser, row: Server) -> Person:
    return Person(browser, row)


def csv_file(folder: Path, rows: int, *wrong: str) -> Path:
    chance = random.Random(rows)
    held = dict.fromkeys(["ACME", "INIT", "UMBR"], 0)
    lines = ["symbol,side,quantity,price,traded_on", *wrong]
    for number in range(rows):
        symbol, quantity = chance.choice(list(held)), chance.randint(1, 20)
        side = "sell" if held[symbol] >= quantity and chance.random() < 0.4 else "buy"
        held[symbol] += quantity if side == "buy" else -quantity
        month, day = 12 * number // rows + 1, number % 27 + 1
        lines.append(
            f"{symbol},{side},{quantity},{chance.uniform(50, 99):.2f},2024-{month:02}-{day:02}"
        )
    path = folder / f"trades of {rows}.csv"
    path.write_text("\n".join(lines))
    return path


def test_sign_up_import_look_and_sign_out(person: Person, tmp_path: Path) -> None:
    page = person.page
    person.visit("/", "/accounts/", "/accounts/sign-in?next=/trades/", "/accounts/sign-up")
    person.sign_up()
    person.visit("/", "/accounts/", "/accounts/password", "/accounts/sign-out")
    person.visit("/trades/ledger/", "/trades/ledger/positions", "/trades/imports/")

    page.goto("/accounts/")
    page.get_by_role("link", name="All apps").click()
    page.get_by_role("link", name="Trades").click()
    page.get_by_role("banner").get_by_role("link", name="Import").click()
    page.get_by_label("File").set_input_files(csv_file(tmp_path, ROWS, "ACME,hold,1,1,2024-01-01"))
    page.get_by_role("button", name="Import").click()
    expect(page.locator("main")).to_contain_text(f"{ROWS:,}")
    expect(page.locator("main")).to_contain_text("Done")
    expect(page.get_by_role("cell", name="side")).to_be_visible()
    person.look()

    page.get_by_role("banner").get_by_role("link", name="Positions").click()
    expect(page.get_by_role("cell", name="ACME")).to_be_visible()
    expect(page.locator("main svg").first).to_be_visible()
    person.look()
    person.visit("/trades/imports/", "/trades/ledger/", "/trades/ledger/?symbol=ACME&side=sell")
    page.get_by_role("link", name="Older").click()
    person.look()

    page.get_by_role("link", name="Sign out").click()
    page.locator("main").get_by_role("button", name="Sign out").click()
    expect(page.locator("main")).to_contain_text("You are signed out")
    person.look()
    page.goto("/trades/")
    expect(page).to_have_url(re.compile(r"/accounts/sign-in\?next="))
    assert person.faults == []


def test_the_bar_moves_while_a_file_is_imported(person: Person, tmp_path: Path) -> None:
    person.page.add_init_script(BAR)
    person.sign_up()
    person.import_file(csv_file(tmp_path, MANY))
    expect(person.page.locator("main")).to_contain_text("Done")

    seen: list[float] = person.page.evaluate("window.barSeen")
    assert len(seen) >= 3, seen
    assert seen == sorted(set(seen))
    assert seen[-1] <= MANY + 1
    person.page.wait_for_load_state("networkidle")
    assert person.faults == []


def test_what_is_wrong_is_told_where_it_stands(person: Person) -> None:
    """By keyboard: Enter sends a form, and what is wrong is tied to its field."""
    page = person.page
    page.goto("/accounts/sign-in")
    page.get_by_label("Name").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    person.look()
    person.refused("sign-in", 422)

    page.goto("/accounts/sign-up")
    page.get_by_label("Name").fill("No Name!")
    page.get_by_label("Password", exact=True).fill("password123")
    page.get_by_label("Password again").fill("another")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.locator("[aria-invalid=true]").count() == 3
    person.look()
    person.refused("sign-up", 422)

    person.sign_up()
    page.goto("/trades/ledger/")
    form = page.locator("form[method=post]").first
    form.get_by_label("Symbol").fill("no symbol")
    form.get_by_label("Quantity").fill("-1")
    form.get_by_label("Price").fill("cheap")
    form.get_by_label("Date").fill("2024-01-01")
    form.get_by_label("Price").press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.locator("[aria-invalid=true]").count() == 3
    person.look()
    person.refused("a trade", 422)

    for path in ("/nothing", "/accounts/nothing", "/trades/nothing", "/-/nothing"):
        person.visit(path)
        person.refused(path, 404)
    assert person.faults == []


def test_the_first_key_leads_past_the_header(person: Person) -> None:
    for path in ("/", "/accounts/sign-in"):
        person.page.goto(path)
        person.page.keyboard.press("Tab")
        skip = person.page.locator(":focus")
        expect(skip).to_have_class("skip")
        expect(skip).to_be_in_viewport(ratio=1)
        person.page.keyboard.press("Enter")
        expect(person.page.locator("#main")).to_be_focused()
    assert person.faults == []


def test_an_import_waits_visibly_until_there_is_a_worker(
    project: Project, serve: Serve, browser: Browser, tmp_path: Path
) -> None:
    set_up(project)
    person = Person(browser, serve())
    person.sign_up()
    person.import_file(csv_file(tmp_path, 100))
    expect(person.page.locator("main")).to_contain_text("worker")
    # It goes on asking, so the network is never quiet: the layout alone is looked at.
    assert faults_of_layout(person.page) == []
    # Ever more seldom while nobody can answer, and as before afterwards.
    assert project.rowhouse("maintenance", "trades", "on").returncode == 0
    until(lambda: person.page.evaluate("pause") > 1000, "longer pauses")
    assert project.rowhouse("maintenance", "trades", "off").returncode == 0
    until(lambda: person.page.evaluate("pause") < 1000, "shorter pauses")
    expect(person.page.locator("main")).to_contain_text("worker")


def test_what_the_host_says_itself_can_be_read(
    project: Project, serve: Serve, browser: Browser
) -> None:
    """Its pages have a style of their own, which the policy of no app may take away."""
    project.copy_app("home")
    project.operator((REPOSITORY / "rowhouse.toml").read_text())
    project.app("closed")
    project.app("broken", "raise RuntimeError", 'contact = "somebody.with.a.long.name@example.com"')
    assert project.rowhouse("maintenance", "closed", "on").returncode == 0
    person = Person(browser, serve())
    for path in ("/broken/", "/closed/"):
        person.page.goto(path)
        person.look()
        border = "each => getComputedStyle(each).borderLeftStyle"
        assert person.page.locator("main").evaluate(border) == "solid"
        person.refused(path, 503)
        person.page.get_by_role("link", name="All apps").click()
        person.page.wait_for_url("/")
    assert person.faults == []
