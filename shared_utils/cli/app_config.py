"""``rowhouse config NAME``: an app's config, and the layer that each value came from."""

from __future__ import annotations

import json
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from shared_utils.cli.console import wide_console
from shared_utils.cli.names import unknown
from shared_utils.hosting.layers import derive, layered
from shared_utils.hosting.mounted import Mounted
from shared_utils.hosting.pages import row_of
from shared_utils.hosting.row import Row
from shared_utils.hosting.settings.mistakes import ConfigError
from shared_utils.hosting.settings.secrets import masked
from shared_utils.sibling import sibling_of

_FLASK = "Flask"
_APP = "the app itself"


@click.command("config")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@with_appcontext
def config_command(name: str, as_json: bool) -> None:
    """Show the config of the app NAME: key, value, layer. Secrets are masked.

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
        entries = _of_app(mounted.flask_app) if mounted.flask_app else _to_be_given(mounted, row)
    except ConfigError as error:
        click.echo(f"Error: {error}", err=True)
        raise click.exceptions.Exit(1) from None
    if as_json:
        click.echo(json.dumps(entries, indent=2, default=str))
    else:
        _print_table(entries)
    if mounted.flask_app is None:
        click.secho(
            f"{name} is {mounted.build_state}: {mounted.failure or 'not built yet'}",
            fg="red",
            err=True,
        )
        raise click.exceptions.Exit(1)


def _of_app(app: Flask) -> dict[str, dict[str, Any]]:
    origins = sibling_of(app).origins

    def origin(key: str) -> str:
        if key in origins:
            return origins[key]
        return _FLASK if key in app.default_config else _APP

    return {
        key: {"value": masked(key, value), "layer": origin(key)}
        for key, value in sorted(app.config.items())
    }


def _to_be_given(mounted: Mounted, row: Row) -> dict[str, dict[str, Any]]:
    config = layered(mounted.mount, row.settings)
    derive(config, mounted.mount, row.settings, root=mounted.mount.prefix or "/")
    return {
        key: {"value": masked(key, value), "layer": config.origins[key]}
        for key, value in sorted(config.values.items())
    }


def _print_table(entries: dict[str, dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Key", no_wrap=True)
    table.add_column("Value", overflow="fold")
    table.add_column("Layer", overflow="fold")
    for key, entry in entries.items():
        style = "dim" if entry["layer"] == _FLASK else ""
        table.add_row(
            Text(key, style), Text(repr(entry["value"]), style), Text(entry["layer"], style)
        )
    wide_console().print(table)
