"""The group ``rowhouse``: Flask's own commands, and ours."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from flask import Flask
from flask.cli import FlaskGroup

from shared_utils import __version__
from shared_utils.cli.app_config import config_command
from shared_utils.cli.db import db_group
from shared_utils.cli.listing import list_command
from shared_utils.cli.maintenance import maintenance_command
from shared_utils.cli.new import new_command
from shared_utils.cli.prepare import prepare_command
from shared_utils.cli.routes import routes_command
from shared_utils.cli.serve import serve_command
from shared_utils.cli.worker import worker_command
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
                # What an app prints while it is built is not what a command reports.
                with contextlib.redirect_stdout(sys.stderr):
                    return create_app()
            except ConfigError as error:
                raise click.ClickException(str(error)) from None

        super().__init__(
            name="rowhouse",
            create_app=host,
            help="Many independent Flask apps in one gunicorn.",
            add_version_option=False,
        )
        # The app is always the host.
        self.params = [parameter for parameter in self.params if parameter.name != "app"]
        click.version_option(__version__, prog_name="rowhouse")(self)
        self.root = root
        for command in (
            list_command,
            routes_command,
            config_command,
            new_command,
            maintenance_command,
            prepare_command,
            db_group,
            serve_command,
            worker_command,
        ):
            self.add_command(command)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return one of our commands or Flask's; no app is asked for some of its own."""
        return click.Group.get_command(self, ctx, name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return their names, without making the host for it."""
        return click.Group.list_commands(self, ctx)

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """Have the development server's reloader watch the settings too."""
        files = [self.root / "rowhouse.toml", *self.root.glob("apps/*/app.toml")]
        files += self.root.glob("instance/*.py")
        if operator := os.environ.get("ROWHOUSE_CONFIG"):
            files.append(Path(operator))
        os.environ.setdefault("FLASK_RUN_EXTRA_FILES", os.pathsep.join(map(str, files)))
        return super().make_context(*args, **options)
