"""``rowhouse routes``: every URL that the host answers, and the app that answers it."""

from __future__ import annotations

import json

import click
from flask import current_app
from flask.cli import with_appcontext

from shared_utils.hosting.pages import row_of
from shared_utils.hosting.rules import own_rules, rules_of

_UNSAID = {"HEAD", "OPTIONS"}


@click.command("routes")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@with_appcontext
def routes_command(as_json: bool) -> None:
    """List the routes of all mounts. Exit status 1 where an app could not be built."""
    row = row_of(current_app)
    named = [("host", rule) for rule in own_rules(current_app.url_map)]
    for name, mounted in row.mounts.items():
        named += [(name, rule) for rule in rules_of(mounted, row)]
    routes = [
        {
            "app": name,
            "rule": rule.rule,
            "methods": sorted((rule.methods or set()) - _UNSAID),
            "endpoint": rule.endpoint,
        }
        for name, rule in named
    ]
    missing = {name: m for name, m in row.mounts.items() if not m.is_built}
    if as_json:
        click.echo(json.dumps(routes, indent=2))
    else:
        lines = [
            (route["app"], ", ".join(route["methods"]) or "any", route["rule"], route["endpoint"])
            for route in routes
        ]
        _print_columns([("App", "Methods", "Rule", "Endpoint"), *lines])
    for name, mounted in missing.items():
        click.secho(
            f"{name} is {mounted.build_state}: {mounted.failure or 'not built yet'}",
            fg="red",
            err=True,
        )
    if missing:
        raise click.exceptions.Exit(1)


def _print_columns(lines: list[tuple[str, ...]]) -> None:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
