"""``rowhouse prepare`` runs what apps do before they are first served."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running import Project

PREPARES = """
    import click
    from flask import Flask, current_app
    from flask.cli import with_appcontext
    from config import configure_app

    @click.command("prepare")
    @with_appcontext
    def prepare():
        {does}

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        app.cli.add_command(prepare)
        return app
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_it_runs_the_command_of_every_app_that_has_one_in_its_own_context(project: Project) -> None:
    project.app("plain")
    for name in ("one", "two"):
        project.app(name, PREPARES.format(does="print(current_app.import_name, 'is ready')"))

    done = project.rowhouse("prepare")
    assert (done.returncode, done.stdout) == (0, "apps.one is ready\napps.two is ready\n")
    assert project.rowhouse("prepare", "two").stdout == "apps.two is ready\n"
    assert project.rowhouse("prepare", "plain").stdout == ""


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("raise click.ClickException('no table; make one')", "bad: no table; make one"),
        ("raise ValueError('marker')", "bad: its command prepare failed"),
        ("raise SystemExit(3)", "bad: its command prepare failed"),
        ("click.get_current_context().exit(3)", ""),
    ],
)
def test_one_that_fails_leaves_the_others_alone(project: Project, does: str, said: str) -> None:
    project.app("bad", PREPARES.format(does=does))
    project.app("good", PREPARES.format(does="print('good')"))
    project.app("broken", "1 / 0")

    done = project.rowhouse("prepare")
    assert (done.returncode, done.stdout) == (1, "good\n")
    assert said in done.stderr
    assert "broken is down: ZeroDivisionError" in done.stderr


def test_a_name_that_is_not_there(project: Project) -> None:
    project.app("one")
    done = project.rowhouse("prepare", "oen")
    assert done.returncode == 2
    assert "one" in done.stderr
