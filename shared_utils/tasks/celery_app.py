"""The one Celery object. It knows the broker, and no app: a worker finds those by name.

A web process needs it only to send a message; a worker is set up by
``shared_utils.hosting.working``, which is loaded by name in a worker alone.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable
from typing import Any

from celery import Celery, signals  # type: ignore[import-untyped]
from celery.app.registry import TaskRegistry  # type: ignore[import-untyped]
from kombu.entity import Exchange, Queue

from shared_utils.tasks import broker

IDLE = "rowhouse"
"""The queue of a worker that has no app to work for."""


class AppTasks(TaskRegistry):  # type: ignore[misc]
    """Tasks by name; what is not there is asked of ``made``, which a worker sets."""

    made: Callable[[str], Any] | None = None

    def __missing__(self, name: str) -> Any:
        found = self.made(name) if self.made else None
        if found is None:
            raise self.NotRegistered(name)
        return found


celery = Celery("rowhouse", set_as_current=False, tasks=AppTasks())
celery.conf.update(
    **broker.settings(),
    accept_content=["json"],
    task_serializer="json",
    # The broker's own, which leads to every queue by its name: none is declared, none is bound.
    task_default_exchange="",
    task_default_queue=IDLE,
    task_ignore_result=True,
    enable_utc=True,
    broker_connection_retry_on_startup=True,
    worker_concurrency=min(4, os.cpu_count() or 1),
    # A message that waits in a busy worker keeps an idle one from its work.
    worker_prefetch_multiplier=1,
    # Queues for control and events, one for each worker there ever was, would stay with the broker.
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
)


@functools.cache
def queue_of(app: str) -> Queue:
    """Return the queue of an app."""
    return Queue(app, Exchange(""), routing_key=app)  # type: ignore[no-untyped-call]


@signals.celeryd_init.connect(weak=False)  # type: ignore[untyped-decorator]
def _set_up_worker(instance: Any, **_: object) -> None:
    importlib.import_module("shared_utils.hosting.working.setup").set_up(instance)
