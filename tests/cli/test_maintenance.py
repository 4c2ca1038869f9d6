from __future__ import annotations

import json

import pytest

from shared_utils.hosting.maintenance import LONGEST
from tests.running import Project


def test_on_off_and_the_state_between(project: Project) -> None:
    on = project.rowhouse("maintenance", "well", "on", "--message", "Back at noon, café")
    assert (on.returncode, on.stdout) == (0, "well is in maintenance: Back at noon, café\n")
    assert project.rowhouse("maintenance", "well").stdout == on.stdout

    on = project.rowhouse("maintenance", "well", "on", "--json")
    message = "All well is closed for maintenance."
    assert json.loads(on.stdout) == {"name": "well", "maintenance": True, "message": message}

    off = project.rowhouse("maintenance", "well", "off")
    assert (off.returncode, off.stdout) == (0, "well is not in maintenance.\n")
    told = project.rowhouse("maintenance", "well", "--json")
    assert json.loads(told.stdout) == {"name": "well", "maintenance": False, "message": None}


def test_it_works_where_everything_is_broken_and_runs_no_app(project: Project) -> None:
    project.app("sick", "import pathlib\npathlib.Path('ran').touch()\nraise RuntimeError\n")
    project.app("wrong", manifest="prefix = 7\n")
    project.app("garbled").with_name("app.toml").write_bytes(b"\xff[")
    project.operator("[host]\nthread = 3\n")
    for name in ("sick", "wrong", "garbled"):
        result = project.rowhouse("maintenance", name, "on")
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith(f"{name} is in maintenance: ")
    assert not (project.root / "ran").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["wel", "on"], "no mount 'wel'; write well"),
        (["../well", "on"], "no mount '../well'; write well"),
        (["well", "of"], "'of' is not one of 'on', 'off'"),
        (["well", "--message", "x"], "--message goes with on"),
        (["well", "off", "--message", "x"], "--message goes with on"),
        (["well", "on", "--message", "é" * LONGEST], f"write at most {LONGEST}"),
    ],
    ids=["unknown", "path", "switch", "message alone", "message with off", "too long"],
)
def test_wrong_use_changes_nothing(project: Project, arguments: list[str], told: str) -> None:
    result = project.rowhouse("maintenance", *arguments)

    assert result.returncode == 2
    assert told in result.stderr
    assert not (project.root / "instance" / "maintenance").exists()


def test_a_mount_of_an_operator_file_that_cannot_be_read_says_why_it_is_unknown(
    project: Project,
) -> None:
    project.operator("[mounts.wiki\napp = 'wiki:app'\n")
    result = project.rowhouse("maintenance", "wiki", "on")

    assert result.returncode == 2
    assert "rowhouse.toml:1:13: not TOML" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_cannot_be_written_is_said_without_a_traceback(project: Project) -> None:
    (project.root / "instance").mkdir()
    (project.root / "instance" / "maintenance").write_text("a file in its place")
    for arguments in (["on"], ["off"], []):
        result = project.rowhouse("maintenance", "well", *arguments)
        assert result.returncode == 1
        assert result.stderr.startswith("Error: instance/maintenance: ")


def test_list_shows_it_beside_what_is_wrong(project: Project) -> None:
    project.app("sick", "raise RuntimeError('no')\n")
    assert project.rowhouse("maintenance", "well", "on").returncode == 0
    only = project.rowhouse("list", "--json", ROWHOUSE_ONLY="well")
    assert (only.returncode, json.loads(only.stdout)[0]["state"]) == (0, "maintenance")

    assert project.rowhouse("maintenance", "sick", "on").returncode == 0
    table = project.rowhouse("list")
    assert table.returncode == 1
    rows = [line.split()[:3] for line in table.stdout.splitlines()]
    assert ["sick", "/sick", "maintenance"] in rows
    assert ["well", "/well", "maintenance"] in rows
    assert "sick is down: RuntimeError: no" in table.stdout
