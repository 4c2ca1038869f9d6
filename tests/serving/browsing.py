"""What is looked at in a real browser: how pages are laid out, and what they should not do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page, Request

_LAYOUT = (Path(__file__).parent / "layout.js").read_text()
_SIZES = ((1200, 800), (375, 812))
_GIVEN_UP = "net::ERR_ABORTED"
_SHOWN = """new Promise((done) =>
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"""
"""Until what follows a change, such as an observer of sizes, has been done and is shown."""


def faults_of_layout(page: Page) -> list[str]:
    """Return what is wrong with how a page is laid out and named, as it is shown now."""
    found: list[str] = page.evaluate(_LAYOUT)
    return found


def assert_laid_out(page: Page) -> None:
    """See that nothing is wrong on a desk and on a phone, by day and by night."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        for width, height in _SIZES:
            page.set_viewport_size({"width": width, "height": height})
            page.evaluate(_SHOWN)
            found = faults_of_layout(page)
            assert not found, f"{page.url}, {scheme}, {width} wide: {found}"


def note_faults(page: Page, base: str, note: Callable[[str], None]) -> None:
    """Note what a page should not do: fail, complain, or ask another host.

    What the browser itself gives up, because somebody leaves the page, is no fault; a connection
    that the server cuts has other names (`net::ERR_EMPTY_RESPONSE`, `net::ERR_CONNECTION_RESET`).

    Args:
        page: that is about to be visited.
        base: URL of the host, without a slash at its end.
        note: is called with each fault, in a line that begins with the page's URL.
    """

    def look(status: int, url: str) -> None:
        if status >= 400 or not url.startswith(f"{base}/"):
            note(f"{page.url}: {status}: {url}")

    def failed(request: Request) -> None:
        if request.failure != _GIVEN_UP:
            note(f"{page.url}: failed: {request.url}: {request.failure}")

    page.on("console", lambda said: note(f"{page.url}: console: {said.text}"))
    page.on("pageerror", lambda error: note(f"{page.url}: error: {error}"))
    page.on("requestfailed", failed)
    page.on("request", lambda request: look(0, request.url))
    page.on("response", lambda response: look(response.status, response.url))
