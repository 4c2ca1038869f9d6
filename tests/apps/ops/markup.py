"""What a page of the console loads, and what could run in it."""

from __future__ import annotations

from html.parser import HTMLParser


class Tags(HTMLParser):
    """The tags of a page.

    Attributes:
        loaded: addresses of its scripts, styles and images.
        scripts: what would run, or look otherwise, beside the console's own files.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {key: (value or "").strip() for key, value in attributes}
        source = given.get("href" if tag == "link" else "src", "")
        if source:
            self.loaded.append(source)
        self.scripts += [key for key in given if key.startswith(("on", "hx-on", "style"))]
        for key in ("href", "src"):
            if given.get(key, "").lower().startswith("java"):
                self.scripts.append(given[key])
        if tag == "style" or (tag == "script" and not source.startswith("/ops/static/")):
            self.scripts.append(tag)
        if tag == "img" and source == "x":
            self.scripts.append(tag)
