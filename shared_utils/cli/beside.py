"""gunicorn and a task worker beside each other, under one supervisor."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from shared_utils.cli.supervisor import Program, Supervisor
from shared_utils.cli.worker import CELERY, no_worker
from shared_utils.logging import configure_logging

logger = logging.getLogger(__name__)


def serve_beside_worker(root: Path, gunicorn_options: Sequence[str]) -> int:
    """Run both until a signal ends them; return the exit status.

    Where there is nothing for a worker to do, gunicorn runs alone, and a line says why.

    Raises:
        click.ClickException: the operator file has mistakes; gunicorn would not start either.
    """
    configure_logging()
    programs = [
        Program(name="gunicorn", command=[sys.executable, "-m", "gunicorn", *gunicorn_options])
    ]
    if why := no_worker(root):
        logger.warning("no worker is started: %s", why)
    else:
        # A worker ends at SIGTERM when its jobs are done; those it is cut off in are begun again.
        programs.append(
            Program(
                name="worker",
                command=[sys.executable, *CELERY],
                grace=10.0,
                reload=signal.SIGTERM,
            )
        )
    return Supervisor(programs, reload_at_hangup=not sys.stdin.isatty()).run()
