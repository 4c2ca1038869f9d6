"""From the name in a message to the function of an app.

Celery wants every task registered before the first message comes, which would mean to import every
app in the worker's main process. Here a name is taken when it first comes, if it begins with the
name of one of the worker's apps; whether the app has such a task, its own process finds out.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
from collections.abc import Callable
from typing import Any

from celery import Celery, Task  # type: ignore[import-untyped]
from celery.app.trace import build_tracer  # type: ignore[import-untyped]
from celery.worker import consumer  # type: ignore[import-untyped]

from shared_utils.hosting.working import contexts
from shared_utils.hosting.working.crew import Crew
from shared_utils.tasks import bells

logger = logging.getLogger(__name__)


class TaskMissing(LookupError):
    """An app has no task of the name in a message."""


def answer(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Run the task of this name in its app's own context.

    Raises:
        NotBuilt: the app cannot be built now.
        TaskMissing: it has no such task.
    """
    with contexts.context_of(name.partition(".")[0]) as app:
        _found(name, app.import_name)(*args, **kwargs)


def begin(celery: Celery, crew: Crew) -> None:
    """Have ``celery`` take messages for the apps of ``crew``."""

    def made(name: str) -> Task | None:
        if name.partition(".")[0] not in crew.names:
            return None
        kind = type("AppTask", (_AppTask,), {"name": name})
        task = celery.register_task(kind())
        task.__trace__ = build_tracer(name, task, celery.loader, app=celery)
        return task

    celery.tasks.made = made


class _AppTask(Task):  # type: ignore[misc]
    """What Celery knows of a task: no more than its name."""

    ignore_result = True
    typing = False

    def run(self, *args: Any, **kwargs: Any) -> None:
        answer(self.name, args, kwargs)


class Consumer(consumer.Consumer):  # type: ignore[misc]
    """A consumer that learns names as they come, and has nothing to say to other workers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}
        super().__init__(*args, **kwargs)
        self.strategies = _Strategies(self)


class _Strategies(dict[str, Callable[..., Any]]):
    """What is done with a message, by the name in it."""

    def __init__(self, of: Consumer) -> None:
        super().__init__()
        self._consumer = of

    def __missing__(self, name: str) -> Callable[..., Any]:
        """Return it for a new name.

        Raises:
            KeyError: it is not of an app that this worker works for.
        """
        listening = self._consumer
        proceed = listening.app.tasks[name].start_strategy(listening.app, listening)
        app = name.partition(".")[0]
        crew: Crew = listening.controller.crew

        def take(message: Any, body: Any, ack: Callable[..., Any], *rest: Any, **opts: Any) -> Any:
            if crew.rests(app):
                # The row waits for the sweeper; the message has nothing in it that is not there.
                crew.unheard.add(app)
                return ack(logger, listening.connection_errors)
            return proceed(message, body, ack, *rest, **opts)

        self[name] = take
        return take


def _found(name: str, package: str) -> bells.Task[...]:
    found = bells.find(name, package)
    if found is None:
        # Not imported by the app itself: it stands where the convention says.
        module = ".".join([package, *name.split(".")[1:-1], "tasks"])
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(module)
        found = bells.find(name, package)
    if found is None:
        app = name.partition(".")[0]
        known = ", ".join(bells.names_of(app)) or "none"
        raise TaskMissing(f"{app} has no task {name!r}; it has {known}")
    return found
