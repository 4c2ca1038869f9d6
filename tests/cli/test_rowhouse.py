"""The commands of ``rowhouse``, as a person types them, in a project with sound and broken apps."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.running import PATIENCE, REPOSITORY, Project, clean_environment

Rowhouse = Callable[..., subprocess.CompletedProcess[str]]

NOT_FLASK = """
    def create_app(overrides=None):
        return lambda environ, start_response: []
"""


@pytest.fixture
def rowhouse(project: Project) -> Rowhouse:
    return project.rowhouse


def break_some(project: Project) -> None:
    project.app("sick", "raise RuntimeError('no')\n", "contact = 'sick@example.com'\n")
    project.app("wrong", manifest="ownr = 'x'\n")


def test_list_tells_every_mount(project: Project, rowhouse: Rowhouse) -> None:
    project.app("idle", manifest='load = "lazy"\n')
    result = rowhouse("list")

    assert result.returncode == 0
    header, idle, well = result.stdout.splitlines()
    assert header.split() == ["Name", "Prefix", "State", "Title", "Owner", "Contact"]
    assert idle.split() == ["idle", "/idle", "lazy", "Idle"]
    assert well.split() == ["well", "/well", "up", "All", "well", "team"]


def test_list_works_and_says_so_where_apps_are_broken(project: Project, rowhouse: Rowhouse) -> None:
    break_some(project)
    result = rowhouse("list")

    assert result.returncode == 1
    assert "sick is down: RuntimeError: no" in result.stdout
    assert 'apps/wrong/app.toml: ownr: unknown key; write "owner"' in result.stdout
    mounts = {mount["name"]: mount for mount in json.loads(rowhouse("list", "--json").stdout)}
    assert {name: mount["state"] for name, mount in mounts.items()} == {
        "sick": "down",
        "well": "up",
        "wrong": "down",
    }
    assert mounts["sick"]["failure"] == "RuntimeError: no"


def test_routes_name_the_app_of_each(project: Project, rowhouse: Rowhouse) -> None:
    project.app("other", NOT_FLASK)
    result = rowhouse("routes", "--json")

    assert result.returncode == 0
    routes = {(route["app"], route["rule"]): route for route in json.loads(result.stdout)}
    assert routes["well", "/well/"]["methods"] == ["GET"]
    assert routes["host", "/-/live"]["endpoint"] == "host.live"
    assert routes["other", "/other/<path:path>"]["endpoint"] == "other"
    assert "well" in rowhouse("routes").stdout


def test_routes_say_which_app_is_missing(project: Project, rowhouse: Rowhouse) -> None:
    break_some(project)
    result = rowhouse("routes")

    assert result.returncode == 1
    assert "/well/" in result.stdout
    assert "sick is down: RuntimeError: no" in result.stderr


def test_config_shows_value_and_layer_and_masks_secrets(
    project: Project, rowhouse: Rowhouse
) -> None:
    project.operator("[mounts.well.config]\nCOLOUR = 'red'\n")
    (project.root / "instance").mkdir()
    (project.root / "instance" / "well.py").write_text("MAIL_PASSWORD = 'hunter2'\n")
    result = rowhouse(
        "config",
        "well",
        "--json",
        WELL_DATABASE_URL="postgresql://me:hunter2@db/x",
        ROWHOUSE_SECRET_KEY="the root key",
    )

    config = json.loads(result.stdout)
    assert config["SIZE"] == {"value": 3, "layer": "apps/well/app.toml [config]"}
    assert config["COLOUR"]["layer"] == "rowhouse.toml [mounts.well.config]"
    assert config["MAIL_PASSWORD"]["layer"] == "instance/well.py"
    assert config["DATABASE_URL"]["value"] == "postgresql://me:********@db/x"
    assert config["SECRET_KEY"] == {"value": "********", "layer": "derived"}
    assert config["APPLICATION_ROOT"]["value"] == "/well"
    assert "hunter2" not in result.stdout + result.stderr
    assert "the root key" not in result.stdout + result.stderr


def test_config_of_a_broken_app_is_what_it_would_be_given(
    project: Project, rowhouse: Rowhouse
) -> None:
    project.app("sick", "raise RuntimeError('no')\n", "[config]\nSIZE = 4\n")
    result = rowhouse("config", "sick")

    assert result.returncode == 1
    assert "apps/sick/app.toml [config]" in result.stdout
    assert "sick is down: RuntimeError: no" in result.stderr


def test_config_of_an_unknown_app_is_wrong_use(rowhouse: Rowhouse) -> None:
    result = rowhouse("config", "wel")

    assert result.returncode == 2
    assert "write well" in result.stderr


def test_a_wrong_operator_file_is_told_without_a_traceback(
    project: Project, rowhouse: Rowhouse
) -> None:
    project.operator("[host]\nthread = 3\n")
    result = rowhouse("list")

    assert result.returncode == 1
    assert 'host.thread: unknown key; write "threads"' in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("well", "it is there already: apps/well"),
        ("wiki", "the operator file has a mount of this name already"),
        ("tested", "it is there already: tests/apps/tested"),
        ("rowhouse_x", "the host keeps it for itself"),
        ("dev", "it is the extra of this project's own tools in setup.cfg"),
        ("json", "it is a module of the standard library"),
        ("flask", "it is an installed module"),
        ("config", "the host keeps it for itself"),
        ("rowhouse", "the host keeps it for itself"),
        ("shared_utils", "it is a name at the top of this project"),
        ("lambda", "it is a word of the Python language"),
        ("Trades", "names are lower-case letters, digits and _"),
        ("../evil", "names are lower-case letters, digits and _"),
        ("x" * 41, "names have at most 40 characters"),
    ],
)
def test_new_refuses_a_name(project: Project, rowhouse: Rowhouse, name: str, reason: str) -> None:
    project.operator('[mounts.wiki]\napp = "wiki:app"\n')
    (project.root / "tests" / "apps" / "tested").mkdir(parents=True)
    before = sorted(project.root.rglob("*.toml"))
    result = rowhouse("new", name)

    assert result.returncode == 2
    assert reason in " ".join(result.stderr.split())
    assert sorted(project.root.rglob("*.toml")) == before


@pytest.mark.parametrize("prefix", ["bills", "/bills/", "/-/bills", "/", "/a//b", "/well"])
def test_new_refuses_a_prefix(rowhouse: Rowhouse, prefix: str) -> None:
    assert rowhouse("new", "billing", "--prefix", prefix).returncode == 2


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        pytest.param("function", "billing", id="function"),
        pytest.param("division", "b" * 40, id="division, longest name", marks=pytest.mark.slow),
    ],
)
def test_a_new_app_passes_all_checks_and_its_tests(
    project: Project, rowhouse: Rowhouse, layout: str, name: str
) -> None:
    for file in ("setup.cfg", "ruff.toml"):
        (project.root / file).write_text((REPOSITORY / file).read_text())
    (project.root / "apps" / "__init__.py").write_text('"""The siblings."""\n')
    owner = 'team "bills" \\ café'
    made = rowhouse("new", name, "--layout", layout, "--prefix", "/money/bills", "--owner", owner)

    assert made.returncode == 0, made.stderr
    for check in (
        ["-m", "ruff", "check", f"apps/{name}", "tests"],
        ["-m", "ruff", "format", "--check", f"apps/{name}", "tests"],
        ["-m", "mypy", f"apps/{name}", "tests"],
        ["-c", "from importlinter.cli import lint_imports_command as lint; lint()"],
        ["-m", "pytest", "-q"],
    ):
        result = subprocess.run(
            [sys.executable, *check],
            cwd=project.root,
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE * 3,
        )
        assert result.returncode == 0, result.stdout + result.stderr
    mounts = {mount["name"]: mount for mount in json.loads(rowhouse("list", "--json").stdout)}
    assert mounts[name]["state"] == "up"
    assert mounts[name]["prefix"] == "/money/bills"
    assert mounts[name]["owner"] == owner


def test_serve_is_gunicorn_without_the_development_servers_settings(
    project: Project, rowhouse: Rowhouse
) -> None:
    (project.root / ".flaskenv").write_text((REPOSITORY / ".flaskenv").read_text())
    project.app("well", "import os\nprint('DEBUG', os.environ.get('FLASK_DEBUG'))\n")
    result = rowhouse("serve", "--check-config")

    assert result.returncode == 0, result.stderr
    assert "DEBUG None" in result.stdout


def test_version_is_ours(rowhouse: Rowhouse) -> None:
    from shared_utils import __version__

    assert rowhouse("--version").stdout == f"rowhouse, version {__version__}\n"


def test_help_needs_no_sound_settings(project: Project, rowhouse: Rowhouse) -> None:
    project.operator("[host\n")
    result = rowhouse("--help")

    assert result.returncode == 0
    assert "List the mounts." in result.stdout
    assert result.stderr == ""
