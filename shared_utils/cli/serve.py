"""``rowhouse serve``: the one gunicorn."""

from __future__ import annotations

import os
import sys

import click

from shared_utils.cli.production import enter_production
from shared_utils.cli.project import project_root


@click.command(
    "serve",
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
    add_help_option=True,
)
@click.option("--with-worker", is_flag=True, help="Run a task worker beside it.")
@click.argument("gunicorn_options", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def serve_command(
    context: click.Context, with_worker: bool, gunicorn_options: tuple[str, ...]
) -> None:
    r"""Serve all apps with gunicorn, as gunicorn.conf.py says; its own options win.

    \b
    rowhouse serve --bind 0.0.0.0:8000 --workers 4

    With --with-worker, gunicorn and a task worker are each started again when they die.
    """
    root = project_root(context)
    enter_production(root)
    sys.stdout.flush()
    if with_worker:
        from shared_utils.cli.beside import serve_beside_worker  # only here

        context.exit(serve_beside_worker(root, gunicorn_options))
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", *gunicorn_options])
