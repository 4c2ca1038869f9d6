"""``rowhouse config NAME``: an app's config, and the layer that each value came from."""

from __future__ import annotations

import json

import click
from flask import current_app
from flask.cli import with_appcontext

from shared_utils.cli.console import wide_console
from shared_utils.cli.names import unknown
from shared_utils.hosting.inspection.inside import FLASK, Entry, config_of
from shared_utils.hosting.pages import row_of
from shared_utils.hosting.settings.mistakes import ConfigError


@click.command("config")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@with_appcontext
def config_command(name: str, as_json: bool) -> None:
    """Show the config of the app NAME: key, layer, value. Secrets are masked.

    Where the app is down, this is what it would be given. Exit status 1 then.
    """
    row = row_of(current_app)
    if name not in row.mounts:
        raise unknown(name, row.mounts)
    mounted = row.mounts[name]
    row.builder.wake(mounted)
    mounted.wait(mounted.mount.limits.startup_timeout)
    if mounted.is_built and mounted.flask_app is None:
        click.echo(f"{name} is not a Flask app: it has no config.", err=True)
        return
    try:
        entries = config_of(mounted, row)
    except ConfigError as error:
        click.echo(f"Error: {error}", err=True)
        raise click.exceptions.Exit(1) from None
    if as_json:
        told = {entry.key: {"value": entry.value, "layer": entry.layer} for entry in entries}
        click.echo(json.dumps(told, indent=2, default=str))
    else:
        _print_table(entries)
    if mounted.flask_app is None:
        click.secho(
            f"{name} is {mounted.build_state}: {mounted.failure or 'not built yet'}",
            fg="red",
            err=True,
        )
        raise click.exceptions.Exit(1)


def _print_table(entries: list[Entry]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Key", no_wrap=True)
    table.add_column("Layer", overflow="fold")
    table.add_column("Value", overflow="fold")  # last: one may be as long as it likes
    for entry in entries:
        style = "dim" if entry.layer == FLASK else ""
        table.add_row(*(Text(t, style) for t in (entry.key, entry.layer, repr(entry.value))))
    wide_console().print(table)
