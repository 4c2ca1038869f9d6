"""Headers that the host gives every response: the request's id, and the safe ones.

They are added where the app has set none of that name. Most responses of an app have the same few
headers: which of the host's they are without is found out once (`known_headers.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared_utils.hosting.cookies import Headers
from shared_utils.hosting.known_names import KnownNames

if TYPE_CHECKING:
    from shared_utils.hosting.telemetry.record import Record

SAFE_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ("X-Frame-Options", "SAMEORIGIN"),
)
ID = "X-Request-ID"
LENGTH = "Content-Length"

_LOOKED_FOR = {name.lower(): name for name in [LENGTH, ID, *(name for name, _ in SAFE_HEADERS)]}
_plain = KnownNames()
"""Names of headers that need no second look: `LENGTH`, and those that are not looked for."""


def completed(headers: Headers, record: Record) -> tuple[Headers, int | None]:
    """Return headers with those of the host where none are, and their ``Content-Length``, if any.

    Args:
        headers: an app's.
        record: the request.
    """
    given = (ID, record.request_id)
    outline = None
    if record.known is not None:
        known, length, _, outline = record.known
        if headers != known:  # somebody has changed them since
            outline = None
        elif outline.added is not None:
            record.completed = [*headers, *outline.added, given]
            return [*record.completed], length
    present, added = dict(headers), [*SAFE_HEADERS, given]
    if not _plain.issuperset(present):
        present, added = _looked_at(headers, added)
    if outline is not None and given in added:
        outline.added = added[:-1]
    text = present.get(LENGTH, "").strip(" \t")  # as gunicorn reads it
    return [*headers, *added], int(text) if text.isdecimal() else None


def _looked_at(headers: Headers, added: Headers) -> tuple[dict[str, str], Headers]:
    """Return what headers there are, and those of the added ones that are not among them."""
    present = {}
    for name, value in headers:
        lowered = name.lower()
        present[_LOOKED_FOR.get(lowered, name)] = value
        if name == LENGTH or lowered not in _LOOKED_FOR:
            _plain.learn(name)
    return present, [header for header in added if header[0] not in present]
