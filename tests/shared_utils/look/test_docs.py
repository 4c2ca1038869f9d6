"""docs/look.md tells of every block, macro, class and custom property, and of no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared_utils.look import header
from shared_utils.look.files import FOLDER

DOCS = (Path(__file__).parents[3] / "docs" / "look.md").read_text()
TEMPLATES = FOLDER.parent / "templates" / "look"
CSS = re.sub(r"/\*.*?\*/", "", (FOLDER / "look.css").read_text(), flags=re.DOTALL)

BADGES = {"up", "done", "starting", "running", "maintenance", "down", "failed"}
CATEGORIES = {"success", "warning"}


def documented(heading: str) -> set[str]:
    """Return what the first column of the table under a heading names."""
    section = DOCS.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    cells = re.findall(r"^\| (`[^|]*)\|", section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize(
    ("heading", "found"),
    [
        (
            "Blocks of look/base.html",
            set(re.findall(r"{% block (\w+)", (TEMPLATES / "base.html").read_text())),
        ),
        (
            "Macros of look/macros.html",
            set(re.findall(r"{% macro ([a-z]\w*)", (TEMPLATES / "macros.html").read_text())),
        ),
        ("Classes", set(re.findall(r"\.([a-z][a-z-]*)", CSS)) - BADGES - CATEGORIES),
        ("Custom properties", set(re.findall(r"(--[a-z-]+):", CSS))),
    ],
)
def test_all_of_it_is_documented(heading: str, found: set[str]) -> None:
    assert documented(heading) == found


def test_every_state_and_category_is_documented() -> None:
    assert {word for word in BADGES | CATEGORIES if f"`{word}`" not in DOCS} == set()


def test_all_that_look_knows_is_documented() -> None:
    assert set(re.findall(r"`look\.(\w+)\(", DOCS)) == set(header.__all__)
