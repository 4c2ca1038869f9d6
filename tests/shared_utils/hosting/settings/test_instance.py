from __future__ import annotations

from pathlib import Path

import pytest

from shared_utils.hosting.settings import instance
from shared_utils.hosting.settings.mistakes import ConfigError


def shown(path: Path) -> str:
    return f"instance/{path.name}" if path.suffix else "instance"


def test_a_missing_file_says_nothing(tmp_path: Path) -> None:
    assert instance.shared(tmp_path, shown) == ({}, [])
    assert instance.own(tmp_path, "trades", shown) == {}


def test_upper_case_names_are_config(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("A = 1\nlow = 2\n")
    (tmp_path / "trades.py").write_text("B = 3\n")
    assert instance.shared(tmp_path, shown) == ({"A": 1}, [])
    assert instance.own(tmp_path, "trades", shown) == {"B": 3}


@pytest.mark.parametrize("key", ["SECRET_KEY", "SECRET_KEY_FALLBACKS"])
def test_a_key_for_all_is_a_mistake(tmp_path: Path, key: str) -> None:
    (tmp_path / "config.py").write_text(f"{key} = 'marker'\n")
    _, [mistake] = instance.shared(tmp_path, shown)
    assert (mistake.file, mistake.key) == ("instance/config.py", key)
    assert "marker" not in str(mistake)


@pytest.mark.parametrize(
    ("source", "place", "kind"),
    [
        pytest.param("A = 1\nraise ValueError('marker')\n", ":2:", "ValueError", id="raises"),
        pytest.param("A = 1\nB = = 'marker'\n", ":2:", "SyntaxError", id="syntax"),
        pytest.param("import sys\nsys.exit('marker')\n", ":2:", "SystemExit", id="exits"),
        pytest.param("import json\njson.loads('marker')\n", ":2:", "JSONDecodeError", id="deeper"),
        pytest.param("A = '\x00marker'\n", "", "Error", id="null"),
    ],
)
def test_a_file_that_cannot_be_run_is_named_with_its_line(
    tmp_path: Path, source: str, place: str, kind: str
) -> None:
    (tmp_path / "config.py").write_text(source)
    values, [mistake] = instance.shared(tmp_path, shown)
    assert values == {}
    assert str(mistake).startswith(f"instance/config.py{place}")
    assert kind in str(mistake)
    assert "marker" not in str(mistake)


def test_bytes_that_are_not_utf_8_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_bytes(b"A = 'caf\xe9'\n")
    _, [mistake] = instance.shared(tmp_path, shown)
    assert "SyntaxError" in str(mistake)


def test_an_own_file_that_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "trades.py").write_text("raise KeyError('marker')\n")
    with pytest.raises(ConfigError, match=r"instance/trades.py:1: running it raised KeyError") as e:
        instance.own(tmp_path, "trades", shown)
    assert "marker" not in str(e.value)
    assert e.value.__context__ is None
