"""``rowhouse serve``: the one gunicorn."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from dotenv import dotenv_values

from shared_utils.cli.project import project_root


@click.command(
    "serve",
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
    add_help_option=True,
)
@click.argument("gunicorn_options", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def serve_command(context: click.Context, gunicorn_options: tuple[str, ...]) -> None:
    r"""Serve all apps with gunicorn, as gunicorn.conf.py says; its own options win.

    \b
    rowhouse serve --bind 0.0.0.0:8000 --workers 4
    """
    root = project_root(context)
    if operator := os.environ.get("ROWHOUSE_CONFIG"):
        os.environ["ROWHOUSE_CONFIG"] = str(Path(operator).resolve())
    os.chdir(root)
    # What .flaskenv says is for the development server: its FLASK_DEBUG must not come along.
    for variable, value in dotenv_values(root / ".flaskenv").items():
        if os.environ.get(variable) == value:
            del os.environ[variable]
    for variable in ("FLASK_RUN_FROM_CLI", "FLASK_RUN_EXTRA_FILES"):
        os.environ.pop(variable, None)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", *gunicorn_options])
