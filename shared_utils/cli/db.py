"""``rowhouse db``: the tables of each app's database, and the migrations that make them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from shared_utils.cli.names import unknown
from shared_utils.hosting.mounted import Mounted
from shared_utils.hosting.pages import row_of

if TYPE_CHECKING:
    from shared_utils.database.migrations import Revisions

Work = Callable[[Flask], dict[str, Any]]

_name = click.argument("name", required=False)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


@click.group("db")
def db_group() -> None:
    """Make and change the tables of the apps' databases."""


@db_group.command("upgrade")
@_name
@_json
@with_appcontext
def upgrade_command(name: str | None, as_json: bool) -> None:
    """Bring the database of NAME, or of every app, to its newest revision.

    Exit status 1 where one could not be brought there; the others are.
    """
    migrations = _migrations()

    def work(app: Flask) -> dict[str, Any]:
        done = migrations.upgrade(app)
        went = f"went from {_shown(done.before)} to {_shown(done.now)}"
        return _entry(done, _is_newest(done) if done.before == done.now else went)

    _for_each(name, as_json, work)


@db_group.command("current")
@_name
@_json
@with_appcontext
def current_command(name: str | None, as_json: bool) -> None:
    """Show the revision of the database of NAME, or of every app.

    Exit status 1 where one is not at its newest revision, or cannot be asked.
    """
    migrations = _migrations()

    def work(app: Flask) -> dict[str, Any]:
        found = migrations.current(app)
        entry = _entry(found, _is_newest(found))
        if found.now != found.newest:
            entry["failure"] = (
                f"is at {_shown(found.now)}, its newest revision is {_shown(found.newest)}; "
                "run: rowhouse db upgrade"
            )
        return entry

    _for_each(name, as_json, work)


@db_group.command("revision")
@_name
@click.option("-m", "--message", required=True, help="What it does, in a few words.")
@click.option("--empty", is_flag=True, help="Write one to fill in, whatever the models want.")
@_json
@with_appcontext
def revision_command(name: str | None, message: str, empty: bool, as_json: bool) -> None:
    """Write a migration for NAME, or for every app, where its models and its database differ.

    It goes into apps/NAME/migrations/versions, to be read, mended and committed. The database has
    to be at its newest revision.
    """
    migrations = _migrations()
    if empty and not name:
        raise click.UsageError("--empty goes with NAME")
    root = row_of(current_app).settings.project

    def work(app: Flask) -> dict[str, Any]:
        file = migrations.revision(app, message, empty=empty)
        shown = None if file is None else root.shown(file)
        told = f"has a new revision: {shown}" if shown else "wants no change"
        return {"file": shown, "told": told}

    _for_each(name, as_json, work)


def _migrations() -> ModuleType:
    """Import what apps without a database do not need to have installed."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # we say ourselves what was done
    try:
        from shared_utils.database import migrations
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is not installed, so no app here has a database; "
            "run: pip install --constraint constraints.txt --editable '.[trades]'"
        ) from None
    return migrations


def _for_each(name: str | None, as_json: bool, work: Work) -> None:
    """Do ``work`` for each app that has a database, and say what came of it.

    ``work`` returns what there is to tell: ``told`` for people, ``failure`` where it found one.
    """
    entries = []
    with contextlib.redirect_stdout(sys.stderr):  # what apps and migrations print is no report
        for mounted in _mounts(name):
            entry = _done(mounted, work, asked_for=name is not None)
            if entry is not None:
                entries.append({"name": mounted.mount.name, "failure": None, **entry})
    for entry in entries:
        told = entry.pop("told", None)
        if entry["failure"]:
            click.secho(f"{entry['name']} {entry['failure']}", fg="red", err=True)
        elif not as_json:
            click.echo(f"{entry['name']} {told}")
    if as_json:
        click.echo(json.dumps(entries, indent=2))
    elif not entries:
        click.echo("No app has a database.")
    if any(entry["failure"] for entry in entries):
        raise click.exceptions.Exit(1)


def _mounts(name: str | None) -> list[Mounted]:
    """Return the mounts that are meant, each of them built, or tried."""
    row = row_of(current_app)
    if name is not None and name not in row.mounts:
        raise unknown(name, row.mounts)
    meant = list(row.mounts.values()) if name is None else [row.mounts[name]]
    for mounted in meant:
        row.builder.wake(mounted)
    for mounted in meant:
        mounted.wait(mounted.mount.limits.startup_timeout)
    return meant


def _done(mounted: Mounted, work: Work, *, asked_for: bool) -> dict[str, Any] | None:
    """Return what came of ``work``, which runs a team's migrations; None: it has no database."""
    from alembic.util import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    from shared_utils.database.database import binding_of

    app = mounted.flask_app
    if app is None and not mounted.is_built:
        return {"failure": f"is {mounted.build_state}: {mounted.failure or 'not built yet'}"}
    try:
        if app is None:
            raise LookupError("it is not a Flask app")
        binding = binding_of(app)
    except LookupError as error:
        return {"failure": f"has no database: {error}"} if asked_for else None
    try:
        with app.app_context():
            return work(app)
    except (CommandError, SQLAlchemyError, OSError) as error:
        message = " ".join(str(getattr(error, "orig", None) or error).split())
        if statement := getattr(error, "statement", None):
            message += f" [SQL: {' '.join(statement.split())}]"
        where = f"{binding.address.shown} ({binding.address.said_in})"
        return {"failure": f"stays as it is: {where}: {message}"}
    except Exception as error:
        click.echo(traceback.format_exc(), err=True)
        return {"failure": f"stays as it is: {type(error).__name__}: {error}"}


def _entry(revisions: Revisions, told: str) -> dict[str, Any]:
    found = dataclasses.asdict(revisions)
    return {key: found[key] for key in ("before", "now", "newest")} | {"told": told}


def _is_newest(revisions: Revisions) -> str:
    if revisions.newest is None:
        return "has no migrations; write the first with: rowhouse db revision"
    return f"is at its newest revision, {revisions.newest}"


def _shown(revision: str | None) -> str:
    return revision or "nothing"
