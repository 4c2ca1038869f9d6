"""The group ``rowhouse``: Flask's own commands, and ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
from flask import Flask
from flask.cli import FlaskGroup

from shared_utils.cli.app_config import config_command
from shared_utils.cli.listing import list_command
from shared_utils.cli.new import new_command
from shared_utils.cli.routes import routes_command
from shared_utils.cli.serve import serve_command
from shared_utils.hosting.settings.mistakes import ConfigError


class ProjectGroup(FlaskGroup):
    """Commands of one project.

    Args:
        root: the project's folder.
        create_app: makes the host; called for commands that need it, and no others.
    """

    def __init__(self, *, root: Path, create_app: Callable[[], Flask]) -> None:
        def host(*_: object) -> Flask:
            try:
                return create_app()
            except ConfigError as error:
                click.echo(f"Error: {error}", err=True)
                raise click.exceptions.Exit(1) from None

        super().__init__(
            name="rowhouse",
            create_app=host,
            help="Many independent Flask apps in one gunicorn.",
        )
        self.root = root
        for command in (list_command, routes_command, config_command, new_command, serve_command):
            self.add_command(command)
