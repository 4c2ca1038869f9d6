"""A task logs as the request did that has sent it: with its id, its app and its trace.

Where requests are traced it is a span of that trace.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from shared_utils.hosting.telemetry import tracing
from shared_utils.logging import CONTEXT, app_name, request_id, trace_parent
from shared_utils.tasks import bells

SPANS = "shared_utils.hosting.working.spans"
"""Not imported where nothing is traced."""


def begin(task: Any, **_: object) -> None:
    """Take over what the message says, in the process that runs the task."""
    request = task.request
    request_id.set(_told(getattr(request, bells.REQUEST_ID, "")))
    trace_parent.set(_told(getattr(request, bells.TRACE_PARENT, "")))
    app_name.set(task.name.partition(".")[0])
    if (tracer := tracing.tracer()) is not None:
        importlib.import_module(SPANS).begin(tracer, task.name)


def end(retval: object = None, state: str = "", **_: object) -> None:
    """Be of no request again: the process runs tasks of others too.

    Args:
        retval: what the task has returned or raised.
        state: of Celery; ``SUCCESS`` where it has returned.
    """
    if (spans := sys.modules.get(SPANS)) is not None:
        spans.end(retval if isinstance(retval, BaseException) and state != "SUCCESS" else None)
    for variable in CONTEXT:
        variable.set("")


def _told(value: object) -> str:
    return value if isinstance(value, str) else ""
