"""``rowhouse db``, in a project with sound and broken apps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import databases
from tests.running import Project

SHOP = """
    from flask import Flask
    from sqlalchemy import MetaData
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
    from config import configure_app
    from shared_utils.database import Database

    class Base(DeclarativeBase):
        metadata = MetaData()

    class Item(Base):
        __tablename__ = "item"
        id: Mapped[int] = mapped_column(primary_key=True)

    db = Database(Base.metadata)

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        db.init_app(app)
        print("this is no JSON")
        return app
"""

FAILS = """
revision, down_revision = "f", None

def upgrade():
    raise KeyError("the team's mistake")
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    project = Project(root)
    project.app("shop", SHOP)
    return project


@databases.on_each
def test_from_models_to_tables(project: Project, database_url: str) -> None:
    environ = {"SHOP_DATABASE_URL": database_url}
    versions = project.root / "apps" / "shop" / "migrations" / "versions"

    written = project.rowhouse("db", "revision", "shop", "-m", "Make items", **environ)
    (file,) = versions.glob("*.py")
    assert written.returncode == 0, written.stderr
    assert written.stdout == f"shop has a new revision: {file.relative_to(project.root)}\n"

    current = project.rowhouse("db", "current", "--json", **environ)
    (entry,) = json.loads(current.stdout)
    newest = entry["newest"]
    assert current.returncode == 1
    assert (entry["name"], entry["now"]) == ("shop", None)
    assert "run: rowhouse db upgrade" in entry["failure"]

    upgraded = project.rowhouse("db", "upgrade", **environ)
    assert (upgraded.returncode, upgraded.stdout) == (0, f"shop went from nothing to {newest}\n")
    for command in (["upgrade", "shop", "--json"], ["current", "--json"]):
        again = project.rowhouse("db", *command, **environ)
        assert again.returncode == 0
        assert json.loads(again.stdout) == [
            {"name": "shop", "failure": None, "before": newest, "now": newest, "newest": newest}
        ]
    nothing = project.rowhouse("db", "revision", "-m", "Again", **environ)
    assert (nothing.returncode, nothing.stdout) == (0, "shop wants no change\n")


def test_broken_apps_are_told_and_the_others_done(project: Project) -> None:
    project.app("sick", "raise RuntimeError('no')\n")
    project.app("wrong", manifest="ownr = 'x'\n")
    project.app("away", SHOP)
    project.app("garbled", SHOP)
    project.app("failing", SHOP)
    versions = project.root / "apps" / "failing" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions / "first.py").write_text(FAILS)
    project.app("plain")
    project.app("idle", SHOP, 'load = "lazy"\n')
    result = project.rowhouse(
        "db",
        "upgrade",
        AWAY_DATABASE_URL="postgresql://ann:hunter2@127.0.0.1:1/shop",
        GARBLED_DATABASE_URL="postgresql://ann:hunter2@h:x/shop",
    )

    assert result.returncode == 1
    assert result.stdout.splitlines() == [
        "idle has no migrations; write the first with: rowhouse db revision",
        "shop has no migrations; write the first with: rowhouse db revision",
    ]
    assert "sick is down: RuntimeError: no" in result.stderr
    assert "wrong is down: ConfigError" in result.stderr
    assert 'apps/wrong/app.toml: ownr: unknown key; write "owner"' in result.stderr
    assert (
        "away stays as it is: postgresql://127.0.0.1:1/shop "
        "(environment AWAY_DATABASE_URL: DATABASE_URL): connection failed" in result.stderr
    )
    assert "environment GARBLED_DATABASE_URL: DATABASE_URL is no URL" in result.stderr
    assert 'failing stays as it is: KeyError: "the team\'s mistake"' in result.stderr
    assert "hunter2" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["upgrade", "shp"], 2, "no mount 'shp'; write shop"),
        (["revision", "shop"], 2, "Missing option '-m'"),
        (["revision", "--empty", "-m", "x"], 2, "--empty goes with NAME"),
        (["upgrade", "plain"], 1, "plain has no database: "),
    ],
)
def test_wrong_use(project: Project, arguments: list[str], status: int, told: str) -> None:
    project.app("plain")
    result = project.rowhouse("db", *arguments)

    assert result.returncode == status
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_a_row_without_databases_has_nothing_to_do(project: Project) -> None:
    project.app("plain")
    result = project.rowhouse("db", "upgrade", ROWHOUSE_ONLY="plain")
    assert (result.returncode, result.stdout) == (0, "No app has a database.\n")
