"""Tasks of apps, and the bell that each can ring.

A task is a plain function: called, it runs here and now. ``ring`` sends a message instead, which
says no more than "there is work, look at this row". It may be lost, come twice or come late.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from time import monotonic
from typing import Generic, ParamSpec

from flask import current_app

from shared_utils.logging import request_id, trace_parent
from shared_utils.sibling import EXTENSION, Sibling

logger = logging.getLogger(__name__)

P = ParamSpec("P")

REQUEST_ID, TRACE_PARENT = "rowhouse_request_id", "traceparent"
"""Headers of a message."""

PAUSE = 5.0
"""Seconds without another try after a bell could not be rung: a broker that is away would cost each
request its timeout."""

_known: dict[str, Task[...]] = {}
_lock = threading.Lock()
_silent_until = 0.0


class Task(Generic[P]):
    """A function of an app that a worker runs.

    Attributes:
        app: name of the app.
        name: ``APP.PACKAGE.FUNCTION``, unique among all apps.
    """

    def __init__(self, app: str, name: str, function: Callable[P, object]) -> None:
        self.app, self.name, self.function = app, name, function
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Run it here and now, in the application context that there is."""
        self.function(*args, **kwargs)

    def ring(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Have a worker run it, for the mount that this one is rung in.

        Arguments are such as JSON can hold: the id of a row. Call it after the row is committed.
        Whatever is wrong with the broker is logged and not raised: the row waits, and the sweeper
        rings again.
        """
        global _silent_until
        if monotonic() < _silent_until:
            return
        try:
            send(self.queue, f"{self.queue}.{self.tail}", args, kwargs)
        except Exception as error:  # brokers have many ways to be away
            with _lock:
                _silent_until = monotonic() + PAUSE
            logger.warning(
                "%s%r was not rung, its row waits for the sweeper: %s: %s",
                self.name,
                args,
                type(error).__name__,
                error,
            )

    @property
    def queue(self) -> str:
        """Name of the queue: of the current app's mount, which may be its package's second one."""
        sibling = current_app.extensions.get(EXTENSION) if current_app else None
        return sibling.name if isinstance(sibling, Sibling) else self.app

    @property
    def tail(self) -> str:
        """The name without the app."""
        return self.name.partition(".")[2]

    def __repr__(self) -> str:
        return f"<Task {self.name}>"


def task(app: str, *, name: str | None = None) -> Callable[[Callable[P, object]], Task[P]]:
    """Make a function a task of the app ``app``.

    Args:
        app: name of the app; its tasks wait in a queue of this name.
        name: default: ``APP.SERVICE.FUNCTION`` for a function in ``apps/APP/SERVICE/tasks.py``.
    """

    def made(function: Callable[P, object]) -> Task[P]:
        module = function.__module__.split(".")
        inside = module[2:] if module[0] == "apps" else module[1:]
        if inside and inside[-1] == "tasks":
            inside = inside[:-1]
        full = name or ".".join([app, *inside, function.__name__])
        if full.partition(".")[0] != app:
            raise ValueError(f'the task {full!r} is not named after its app; write "{app}.{full}"')
        # The one before is of a module that was loaded anew, as a build tries again.
        named = Task(app, full, function)
        _known[full] = named
        return named

    return made


def find(name: str, package: str = "") -> Task[...] | None:
    """Return the task of this name, if its module is loaded.

    Args:
        name: as a message has it: it begins with the name of a mount.
        package: the app's, where that may be mounted under other names than its own.
    """
    if name in _known:
        return _known[name]
    tail = name.partition(".")[2]
    for task in list(_known.values()):
        if task.tail == tail and package and task.function.__module__.startswith(f"{package}."):
            return task
    return None


def names_of(app: str) -> list[str]:
    """Return the names of an app's tasks whose modules are loaded."""
    return sorted(task.name for task in _known.values() if task.app == app)


def send(app: str, name: str, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
    """Send the message. Celery is imported by the first one.

    With it go the request that it is sent in, and its trace, for what the task logs.
    """
    from shared_utils.tasks.celery_app import celery, queue_of

    headers = {REQUEST_ID: request_id.get(), TRACE_PARENT: trace_parent.get()}
    celery.send_task(
        name,
        args,
        kwargs,
        queue=queue_of(app),
        headers={header: value for header, value in headers.items() if value},
        retry=False,
        ignore_result=True,
    )
