"""``rowhouse worker``: the task worker."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import click

from shared_utils.cli.names import unknown
from shared_utils.cli.production import enter_production
from shared_utils.cli.project import project_root
from shared_utils.hosting.settings import table
from shared_utils.hosting.settings.mistakes import ConfigError
from shared_utils.hosting.settings.mounts import Project
from shared_utils.hosting.working import crew

CELERY = ("-m", "celery", "-A", "shared_utils.tasks", "worker")


@click.command(
    "worker", context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]}
)
@click.option("-Q", "queues", metavar="NAME[,NAME]", help="Work for these apps.  [default: all]")
@click.argument("celery_options", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def worker_command(
    context: click.Context, queues: str | None, celery_options: tuple[str, ...]
) -> None:
    r"""Run the apps' background tasks, and ring again for jobs left behind.

    The same as celery -A shared_utils.tasks worker, whose own options may follow.

    \b
    rowhouse worker -Q trades --concurrency 8
    """
    root = project_root(context)
    if why := no_worker(root):
        raise click.ClickException(why)
    if queues is not None:
        working = names_with_tasks(root)
        for name in queues.split(","):
            if name not in working:
                raise unknown(name, working)
        celery_options = ("-Q", queues, *celery_options)
    enter_production(root)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *CELERY, *celery_options])


def names_with_tasks(root: Path) -> list[str]:
    """Return the names of the apps that have tasks.

    Raises:
        click.ClickException: the operator file has mistakes.
    """
    settings, mistakes = table.survey(Project.at(root))
    if mistakes:
        raise click.ClickException(str(ConfigError(mistakes)))
    return crew.names_with_tasks(settings)


def no_worker(root: Path) -> str | None:
    """Return why no worker can be run, or None where one can."""
    if importlib.util.find_spec("celery") is None:
        return "no tasks: celery is not installed; write pip install celery, or run make setup"
    if not names_with_tasks(root):
        return "no tasks: no app has a tasks.py"
    return None
