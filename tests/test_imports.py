"""What import-linter cannot see: the imports of the two single modules at the top."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def imported(file: str) -> set[str]:
    """Return the first part of every module that a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize(
    ("file", "forbidden"),
    [("config.py", {"apps", "dispatcher"}), ("dispatcher.py", {"apps"})],
)
def test_module_does_not_import(file: str, forbidden: set[str]) -> None:
    assert imported(file) & forbidden == set()
