"""``rowhouse list``: every mount, where it is, whose it is, how it is."""

from __future__ import annotations

import json
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from shared_utils.cli.console import wide_console
from shared_utils.cli.live import DEFAULT_URL, show_live
from shared_utils.hosting.mounted import Mounted
from shared_utils.hosting.pages import row_of

_COLOURS = {
    "up": "green",
    "lazy": "cyan",
    "starting": "yellow",
    "down": "red",
    "maintenance": "magenta",
}


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.option("--live", is_flag=True, help="Show figures of a host that serves, again and again.")
@click.option("--url", help=f"Where that host is.  [default: {DEFAULT_URL}]")
def list_command(as_json: bool, live: bool, url: str | None) -> None:
    """List the mounts. Exit status 1 where one is down, or still not built.

    With --live no app is built: what is shown is what a running host says at /-/ready and
    /-/metrics. ROWHOUSE_METRICS_TOKEN is sent along, where it is set.
    """
    if live:
        show_live(DEFAULT_URL if url is None else url, as_json=as_json)
    elif url is not None:
        raise click.UsageError("--url goes with --live")
    else:
        _list(as_json)


@with_appcontext
def _list(as_json: bool) -> None:
    mounts = [described(mounted) for mounted in row_of(current_app).mounts.values()]
    if as_json:
        click.echo(json.dumps(mounts, indent=2))
    else:
        _print_table(mounts)
    if any(mount["failure"] or mount["state"] == "starting" for mount in mounts):
        raise click.exceptions.Exit(1)


def described(mounted: Mounted) -> dict[str, Any]:
    """Return what there is to say about a mount, in plain values."""
    mount = mounted.mount
    return {
        "name": mount.name,
        "prefix": mount.prefix,
        "state": mounted.state,
        "title": mount.title,
        "description": mount.description,
        "owner": mount.owner,
        "contact": mount.contact,
        "load": mount.load,
        "required": mount.required,
        "app": mount.shown_target,
        "build_seconds": mounted.build_seconds and round(mounted.build_seconds, 3),
        "failure": mounted.failure or None,
    }


def _print_table(mounts: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    console = wide_console()
    if not mounts:
        console.print("No app is mounted. Make one: rowhouse new NAME")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("Name", "Prefix", "State", "Title", "Owner", "Contact"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("Name", "State"))
    for mount in mounts:
        table.add_row(
            Text(mount["name"]),
            Text(mount["prefix"] or "(none)"),
            Text(mount["state"], style=_COLOURS[mount["state"]]),
            *(Text(mount[key]) for key in ("title", "owner", "contact")),
        )
    console.print(table)
    for mount in mounts:
        if mount["failure"]:
            failure = Text.assemble((f"\n{mount['name']} is down: ", "red"), mount["failure"])
            console.print(failure)
