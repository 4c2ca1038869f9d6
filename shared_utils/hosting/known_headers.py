"""Headers that come again and again, and what was found out about them once.

Most responses of an app have the same few headers, and differ in the number in their
``Content-Length``. The wall checks them when they come for the first time (`walls/soundness.py`).
From then on whoever passes them on notes here what it makes of them: which of the host's own they
are without (`telemetry/own_headers.py`), and how the server writes all of them (`response.py`).
"""

from __future__ import annotations

from shared_utils.hosting.cookies import Headers

Pairs = tuple[tuple[str, str], ...]


class Outline:
    """Headers of many responses, but for the number in their ``Content-Length``.

    Attributes:
        before: those up to the ``Content-Length``; all of them where there is none.
        after: those behind it.
        has_length: there is one.
        missing: those of the host that they are without, but for the request's id; None until that
            is known.
        lines: all of these as the server writes them, up to the number and behind it, or all behind
            nothing; None until that is known, or where the server makes something else of them.
    """

    __slots__ = ("after", "before", "has_length", "lines", "missing")

    def __init__(self, before: Pairs, after: Pairs | None) -> None:
        self.before, self.after, self.has_length = before, after or (), after is not None
        self.missing: Headers | None = None
        self.lines: tuple[str, str] | None = None


Known = tuple[Headers, int | None, str, Outline]
"""Headers of one response, in a copy that nobody changes, to see whether those passed on were
changed; their ``Content-Length``, if any; how that is written, else an empty text; and their
outline. A plain tuple: others take longer to make."""
