"""Docs cannot rot: what is in the code is in the docs, with the same defaults."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import click
import pytest

import dispatcher
from shared_utils.cli.rowhouse import ProjectGroup
from shared_utils.hosting.settings import schema
from shared_utils.hosting.settings.reading import check
from shared_utils.hosting.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[1]
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
README = (ROOT / "README.md").read_text()
OPERATOR_FILE = (ROOT / "rowhouse.toml").read_text()


def documented(heading: str) -> dict[str, str]:
    """Return key and default of every row in the tables under one heading."""
    section = SETTINGS.split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `([a-z_.]+)`[^|]*\|([^|]*)\|", section, re.MULTILINE)
    return {key: default.strip("` ") for key, default in rows}


@pytest.mark.parametrize("key", sorted(set(schema.Host.model_fields) - {"limits"}))
def test_host_setting_is_documented_with_its_default(key: str) -> None:
    default = json.dumps(schema.Host.model_fields[key].default)
    assert documented("`[host]`")[key] == default
    assert re.search(rf"^# {key} = {re.escape(default)} ", OPERATOR_FILE, re.MULTILINE)


@pytest.mark.parametrize("key", sorted(schema.Limits.model_fields))
def test_limit_is_documented_with_its_default(key: str) -> None:
    default = schema.Limits.model_fields[key].default
    shown = "none" if default is None else str(default)
    assert documented("`[host.limits]`")[f"limits.{key}"] == shown
    assert re.search(rf"^# {key} = ", OPERATOR_FILE, re.MULTILINE)


@pytest.mark.parametrize("key", sorted(schema.OperatorMount.model_fields))
def test_mount_setting_is_documented(key: str) -> None:
    assert key in documented("A mount:")
    assert re.search(rf"\b{key}\b", OPERATOR_FILE)


def test_no_setting_is_documented_that_is_not_there() -> None:
    assert set(documented("`[host]`")) == set(schema.Host.model_fields) - {"limits"}
    assert set(documented("A mount:")) == set(schema.OperatorMount.model_fields)


def test_operator_file_is_sound_with_every_comment_taken_away() -> None:
    """Each commented setting is one that could stand there as it is written."""
    lines = OPERATOR_FILE.splitlines()
    uncommented = [re.sub(r"^# (?=[a-z_.]+ = |\[mounts)", "", line) for line in lines]
    data = tomllib.loads("\n".join(uncommented))
    assert check(data, "rowhouse.toml", schema.OperatorFile).mistakes == ()
    assert data["mounts"]["trades"]["limits"] == {"deadline": 60.0}


def test_every_variable_is_documented() -> None:
    files = [*ROOT.glob("*.py"), *(ROOT / "shared_utils").rglob("*.py")]
    used = {
        name
        for file in files
        for name in re.findall(r'"((?:ROWHOUSE|WEB)_[A-Z_]+)"', file.read_text())
    }
    assert used >= {"ROWHOUSE_CONFIG", "ROWHOUSE_SECRET_KEY"}
    assert {name for name in used if f"`{name}`" not in SETTINGS} == set()


def test_every_metric_is_documented() -> None:
    names = Metrics(["shop"]).names()
    assert "rowhouse_requests_total" in names
    told = (ROOT / "docs" / "telemetry.md").read_text()
    assert {name for name in names if f"`{name}`" not in told} == set()


def test_every_command_is_in_the_readme() -> None:
    group = ProjectGroup(root=ROOT, create_app=dispatcher.create_app)
    ours = set(group.list_commands(click.Context(group))) - {"shell"}
    assert ours >= {"list", "new", "run", "serve"}
    assert {name for name in ours if f"rowhouse {name}" not in README} == set()


def test_every_link_between_documents_leads_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_no_placeholder_is_left() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        assert not re.search(r"^(FIGURES|TODO|TBD|XXX)\b", document.read_text(), re.MULTILINE)


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"(?:^    |`)make ([a-z]+)", README, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
