"""A person and the three shipped apps, in a real browser: as `make serve` runs them."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.requirements import needed
from tests.running import PATIENCE, REPOSITORY, Project, Serve, Server

pytestmark = pytest.mark.slow

ROWS = 10_000
PASSWORD = "correct horse battery 77"


@pytest.fixture
def browser() -> Iterator[Browser]:
    chromium = needed(shutil.which("chromium"), "Chromium")
    with sync_playwright() as playwright:
        # Chromium's own sandbox needs a user that is not root.
        made = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield made
        made.close()


def set_up(project: Project) -> None:
    for name in ("accounts", "home", "trades"):
        project.copy_app(name)
    project.operator((REPOSITORY / "rowhouse.toml").read_text())
    for command in (["db", "upgrade"], ["prepare"]):
        ran = project.rowhouse(*command)
        assert ran.returncode == 0, ran.stderr


@pytest.fixture
def row(project: Project, serve: Serve) -> Iterator[Server]:
    set_up(project)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FLASK_", "ROWHOUSE_"))}
    with (project.root / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "dispatcher", "worker"],
            cwd=project.root,
            env=kept,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    yield serve()
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


class Faults:
    """What a page should not do: fail, complain, or ask another host."""

    def __init__(self, page: Page, base: str) -> None:
        self.seen: list[str] = []
        page.on("console", lambda said: self.seen.append(f"console: {said.text}"))
        page.on("pageerror", lambda error: self.seen.append(f"error: {error}"))
        page.on("requestfailed", lambda request: self.seen.append(f"failed: {request.url}"))
        page.on("response", lambda response: self._look(response.status, response.url, base))

    def _look(self, status: int, url: str, base: str) -> None:
        if status >= 400 or not url.startswith(base):
            self.seen.append(f"{status}: {url}")


def csv_file(folder: Path) -> Path:
    chance = random.Random(0)
    held = dict.fromkeys(["ACME", "INIT", "UMBR"], 0)
    lines = ["symbol,side,quantity,price,traded_on"]
    for number in range(ROWS):
        symbol, quantity = chance.choice(list(held)), chance.randint(1, 20)
        side = "sell" if held[symbol] >= quantity and chance.random() < 0.4 else "buy"
        held[symbol] += quantity if side == "buy" else -quantity
        day = f"2024-{number // 900 + 1:02}-{number // 33 % 27 + 1:02}"
        lines.append(f"{symbol},{side},{quantity},{chance.uniform(50, 99):.2f},{day}")
    path = folder / "trades.csv"
    path.write_text("\n".join(lines))
    return path


def sign_up(page: Page) -> None:
    page.goto("/accounts/sign-up")
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.locator("main").get_by_role("button").click()


def test_sign_up_import_look_and_sign_out(row: Server, browser: Browser, tmp_path: Path) -> None:
    base = f"http://127.0.0.1:{row.port}"
    page = browser.new_page(base_url=base)
    page.set_default_timeout(PATIENCE * 1000)
    faults = Faults(page, base)

    sign_up(page)
    expect(page.get_by_role("banner")).to_contain_text("ann")

    page.get_by_role("link", name="Trades").click()
    page.get_by_role("banner").get_by_role("link", name="Import").click()
    page.get_by_label("File").set_input_files(csv_file(tmp_path))
    page.get_by_role("button", name="Import").click()
    expect(page.locator("main")).to_contain_text(f"{ROWS:,}", timeout=PATIENCE * 1000)
    expect(page.locator("main")).to_contain_text("Done", timeout=PATIENCE * 1000)

    page.get_by_role("banner").get_by_role("link", name="Positions").click()
    expect(page.get_by_role("cell", name="ACME")).to_be_visible()
    expect(page.locator("main svg, main canvas").first).to_be_visible()

    page.get_by_role("link", name="Sign out").click()
    page.locator("main").get_by_role("button", name="Sign out").click()
    expect(page).not_to_have_url(re.compile("sign-out"))
    page.wait_for_load_state("networkidle")
    page.goto("/trades/")
    expect(page).to_have_url(re.compile(r"/accounts/sign-in\?next="))
    assert faults.seen == []


def test_an_import_waits_visibly_until_there_is_a_worker(
    project: Project, serve: Serve, browser: Browser, tmp_path: Path
) -> None:
    set_up(project)
    server = serve()
    page = browser.new_page(base_url=f"http://127.0.0.1:{server.port}")
    sign_up(page)
    page.goto("/trades/imports/")
    page.get_by_label("File").set_input_files(csv_file(tmp_path))
    page.get_by_role("button", name="Import").click()
    expect(page.locator("main")).to_contain_text("worker")
