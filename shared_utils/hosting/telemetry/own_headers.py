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
_NEVER: Headers = []
"""Missing where an app gives the id: then its headers are looked at each time."""

_plain = KnownNames()
"""Names of headers that need no second look: `LENGTH`, and those that are not looked for."""


def with_own(headers: Headers, record: Record) -> tuple[Headers, int | None]:
    """Return headers with those of the host where none are, and their ``Content-Length``, if any.

    Args:
        headers: an app's.
        record: the request. Where all headers are known, they are noted there for the server.
    """
    given, known = (ID, record.request_id), record.known
    if known is not None:
        theirs, length, number, outline = known
        if headers == theirs:  # else somebody has changed them since
            if outline.missing is None:
                present, missing = _looked_at(theirs, [*SAFE_HEADERS, given])
                outline.missing = missing[:-1] if given in missing else _NEVER
            if outline.missing is not _NEVER:
                whole = [*theirs, *outline.missing, given]
                record.to_send = whole, length, number, outline
                return [*whole], length
    present, missing = dict(headers), [*SAFE_HEADERS, given]
    if not _plain.issuperset(present):
        present, missing = _looked_at(headers, missing)
    text = present.get(LENGTH, "").strip(" \t")  # as gunicorn reads it
    return [*headers, *missing], int(text) if text.isdecimal() else None


def _looked_at(headers: Headers, own: Headers) -> tuple[dict[str, str], Headers]:
    """Return what headers there are, and those of the host that are not among them."""
    present = {}
    for name, value in headers:
        lowered = name.lower()
        present[_LOOKED_FOR.get(lowered, name)] = value
        if name == LENGTH or lowered not in _LOOKED_FOR:
            _plain.learn(name)
    return present, [header for header in own if header[0] not in present]
