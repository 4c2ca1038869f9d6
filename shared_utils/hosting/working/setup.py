"""Set up Celery's worker, which knows no app, to work for all of them."""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from collections.abc import Callable
from typing import IO, Any

from celery import signals  # type: ignore[import-untyped]
from celery.exceptions import SecurityWarning  # type: ignore[import-untyped]
from celery.utils.log import get_multiprocessing_logger  # type: ignore[import-untyped]

from shared_utils.hosting.settings.mistakes import ConfigError
from shared_utils.hosting.settings.mounts import Settings
from shared_utils.hosting.telemetry import threads, tracing
from shared_utils.hosting.working import answering, carrying, contexts, sweeping, watching
from shared_utils.hosting.working.crew import Crew
from shared_utils.logging import configure_logging
from shared_utils.tasks import presence
from shared_utils.tasks.celery_app import IDLE, queue_of

logger = logging.getLogger(__name__)

_AT_EACH_START = ("multiprocessing", "celery.apps.worker", "celery.worker.consumer.connection")
"""Loggers that tell with several lines what `_Signals.ready` tells with one."""


def set_up(worker: Any) -> None:
    """Set up a worker that is about to start.

    Args:
        worker: ``celery.apps.worker.Worker``.
    """
    # As root it warns of pickled messages; only JSON is accepted here.
    warnings.simplefilter("ignore", SecurityWarning)
    celery = worker.app
    crew = Crew(_settings())
    queues = [queue_of(name) for name in crew.names] or [queue_of(IDLE)]
    celery.conf.update(
        task_queues=queues,
        # A name that was mistyped with -Q would be listened to for ever.
        task_create_missing_queues=False,
        worker_consumer="shared_utils.hosting.working.answering:Consumer",
    )
    threads.carry()
    contexts.begin(crew.settings)
    answering.begin(celery, crew)
    celery.steps["worker"].add(sweeping.Sweeper)
    worker.crew = crew
    worker.quiet = True  # no banner: its lines are no log lines
    _Signals(worker)


class _Signals:
    """What is done as the worker goes through its life; it lives as long as the worker."""

    def __init__(self, worker: Any) -> None:
        self.worker = worker
        self.held: IO[str] | None = None
        connect: Callable[..., object]
        for signal, receiver in (
            (signals.setup_logging, self.set_up_logging),
            (signals.worker_ready, self.ready),
            (signals.worker_shutting_down, self.leaving),
            (signals.worker_process_init, watching.begin),
            (signals.worker_process_shutdown, lambda **_: tracing.end()),
            (signals.task_prerun, carrying.begin),
            (signals.task_postrun, carrying.end),
        ):
            connect = signal.connect
            connect(receiver, weak=False)

    def set_up_logging(self, loglevel: int | str | None = None, **_: object) -> None:
        get_multiprocessing_logger()  # it sets this one apart when it is made
        configure_logging(joined=["multiprocessing"])
        logging.root.setLevel(loglevel or logging.INFO)
        if logging.root.level == logging.INFO:
            for name in _AT_EACH_START:
                logging.getLogger(name).setLevel(logging.WARNING)

    def ready(self, **_: object) -> None:
        queues = sorted(self.worker.app.amqp.queues.consume_from)
        if self.held is None:
            self.held = presence.announce(queues)
        logger.info(
            "the worker listens to %s in %d processes", ", ".join(queues), self.worker.concurrency
        )

    def leaving(self, **_: object) -> None:
        if self.held is not None:
            self.held.close()
            self.held = None


def _settings() -> Settings:
    """Load the settings through ``config.py``, by name: shared code imports nothing of above it."""
    try:
        settings = importlib.import_module("config").load_settings()
    except ConfigError as error:
        sys.exit(f"rowhouse worker does not start: {error}")
    assert isinstance(settings, Settings)
    return settings
