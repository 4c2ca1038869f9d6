"""W3C Trace Context: the ``traceparent`` of a request (https://www.w3.org/TR/trace-context/)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shared_utils.hosting.telemetry.record import Record
from shared_utils.logging import trace_parent

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PARENT, STATE = "HTTP_TRACEPARENT", "HTTP_TRACESTATE"

# Version ff is invalid; ids of nothing but zeros are; a later version may have more fields.
_WELL_FORMED = re.compile(
    r"(?:00|(?!ff)[0-9a-f]{2}(?=.{53}(?:-|$)))"
    r"-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?"
)


def accept(environ: WSGIEnvironment, record: Record) -> None:
    """Take a request as a part of the trace that it says it is of.

    A header that is not well-formed is not passed on, and ``tracestate`` not without it (section
    3.2.2.3, "Versioning of traceparent", and 4.3).
    """
    given = environ.get(PARENT)
    if given is not None:
        found = parsed(given)
        if found is None:
            del environ[PARENT]
            environ.pop(STATE, None)
            given = None
        else:
            record.trace_id, record.parent_id = found
    if given is not None or trace_parent.get():  # or the next request is logged as this one
        trace_parent.set(given or "")


def parsed(header: str) -> tuple[str, str] | None:
    """Return the ids of trace and parent; None where the header is not well-formed."""
    found = _WELL_FORMED.fullmatch(header)
    if found is None or (header.startswith("00") and len(header) != 55):
        return None
    return found[1], found[2]
