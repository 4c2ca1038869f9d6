"""``rowhouse prepare``: what apps do before they are served for the first time."""

from __future__ import annotations

import traceback

import click
from flask import Flask, current_app
from flask.cli import ScriptInfo, with_appcontext

from shared_utils.cli.names import unknown
from shared_utils.hosting.pages import row_of

COMMAND = "prepare"


@click.command("prepare")
@click.argument("name", required=False)
@with_appcontext
def prepare_command(name: str | None) -> None:
    """Run the command `prepare` of NAME, or of every app that has one.

    An app has one by app.cli.add_command() in its factory. It may be run at every start, so it does
    nothing where nothing is left to do; the tables of its database are there. Exit status 1 where
    one fails; the others are run.
    """
    row = row_of(current_app)
    if name is not None and name not in row.mounts:
        raise unknown(name, row.mounts)
    meant = [mounted for key, mounted in row.mounts.items() if name in (None, key)]
    for mounted in meant:
        row.builder.wake(mounted)
    failed = False
    for mounted in meant:
        mounted.wait(mounted.mount.limits.startup_timeout)
        app = mounted.flask_app
        if app is None and not mounted.is_built:
            why = mounted.failure or "not built yet"
            click.secho(f"{mounted.mount.name} is {mounted.build_state}: {why}", fg="red", err=True)
            failed = True
        elif app is not None and COMMAND in app.cli.commands:
            failed |= not _prepared(mounted.mount.name, app)
    if failed:
        raise click.exceptions.Exit(1)


def _prepared(name: str, app: Flask) -> bool:
    """Run the command inside the app's own context; say whether it came to its end."""
    try:
        with app.app_context():
            status = app.cli.commands[COMMAND].main(
                [],
                prog_name=f"{name} {COMMAND}",
                obj=ScriptInfo(create_app=lambda: app),
                standalone_mode=False,
            )
    except click.ClickException as error:
        click.secho(f"{name}: {error.format_message()}", fg="red", err=True)
        return False
    except (Exception, SystemExit):  # a team's code: the others' turn comes all the same
        click.echo(traceback.format_exc(), err=True)
        click.secho(f"{name}: its command {COMMAND} failed", fg="red", err=True)
        return False
    return not (isinstance(status, int) and status)
