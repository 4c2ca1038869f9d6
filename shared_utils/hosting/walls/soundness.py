"""What the barrier wants of an app's status, headers and body: soundness, as WSGI has it.

Cheap where all is well, which is always; what exactly is wrong is found out afterwards.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

from shared_utils.hosting.cookies import Headers

_STATUS = re.compile(r"[0-9]{3}(?: [ \t\x21-\x7e\x80-\xff]*)?")
_HEADERS = re.compile(r"(?:\n[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[ \t\x21-\x7e\x80-\xff]*)*")
"""Lines of ``name:value`` as RFC 9110, section 5, has them, and as gunicorn lets them pass."""


_Pairs = tuple[tuple[str, ...], ...]


class Misuse(Exception):
    """An app breaks WSGI; says what it did, and what to do instead."""


class Sound:
    """Headers that a response can have. Nobody changes them.

    Most responses of an app have the same few. So what is found out about those once is noted here,
    by whoever passes them on, and the server has no need to check them again.

    Attributes:
        headers: these.
        length: their ``Content-Length``, if any.
        has_cookies: there is a ``Set-Cookie`` among them.
        comes_again: they have come before, and are this object each time.
        completed: the headers with those of the host (`own_headers.py`), but for the id of the
            request; None until that is known, or where the app gives the id.
        lines: ``completed`` as the server writes them (`response.py`); empty until that is known.
    """

    __slots__ = ("comes_again", "completed", "has_cookies", "headers", "length", "lines")

    def __init__(self, headers: Headers, length: int | None, has_cookies: bool) -> None:
        self.headers, self.length, self.has_cookies = headers, length, has_cookies
        self.comes_again = False
        self.completed: Headers | None = None
        self.lines = ""


def checked(status: str, headers: Headers) -> Sound:
    """Check what an app gave to ``start_response``.

    Raises:
        Misuse: status or headers are none that a response can have.
    """
    pairs = tuple(headers)
    try:
        sound = _known.get((status, pairs))
    except TypeError:  # a pair may be a list
        sound = None
    if sound is None:
        # Pairs that are lists could be changed later.
        pairs = tuple([tuple(pair) if isinstance(pair, list) else pair for pair in pairs])
        sound = _checked(status, pairs)
        if _is_worth_it(status, pairs):
            if len(_known) >= 256:
                _known.clear()
            _known[status, pairs] = sound
    else:
        sound.comes_again = True
    return sound


def _checked(status: str, headers: _Pairs) -> Sound:
    try:
        lines = "\n".join(["", *map(":".join, headers)])
        is_sound = (
            sum(map(len, headers)) == 2 * len(headers) == 2 * lines.count("\n")
            and _STATUS.fullmatch(status)
            and _HEADERS.fullmatch(lines)
        )
    except (TypeError, ValueError):
        is_sound = False
    if not is_sound:
        raise Misuse(_fault_in(status, headers))
    lines = lines.lower()
    pairs = [(name, value) for name, value in headers]
    return Sound(pairs, _length_in(lines), "\nset-cookie:" in lines)


_known: dict[tuple[str, _Pairs], Sound] = {}
"""Most responses of an app have the same few headers."""


def _is_worth_it(status: str, headers: _Pairs) -> bool:
    """Say whether headers may be kept: they are small, and nothing in them is of an app's classes.

    Those would compare themselves with a neighbour's headers, and keep what belongs to them.
    """
    texts = [status, *itertools.chain.from_iterable(headers)]
    return set(map(type, texts)) == {str} and sum(map(len, texts)) <= 2048


def _length_in(lines: str) -> int | None:
    at = lines.rfind("\ncontent-length:")
    if at < 0:
        return None
    value = lines[at + 16 :].partition("\n")[0].strip(" \t")
    if not value.isdecimal() or len(value) > 18:
        raise Misuse(f"its Content-Length is {value[:40]!r}; write a number of bytes")
    other = _length_in(lines[:at])
    if other is not None and other != int(value):
        raise Misuse(f"its Content-Length is both {other} and {int(value)}")
    return int(value)


def shown(value: object) -> str:
    """Name the type of something that an app gave, as a message has it."""
    name = type.__getattribute__(type(value), "__name__")
    return "None" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _fault_in(status: object, headers: Sequence[Any]) -> str:
    if not isinstance(status, str) or not _STATUS.fullmatch(status):
        return f'its status is {status!r}; write text such as "200 OK"'
    for header in headers:
        match header:
            case (str(name), str(value)):
                if "\n" in name + value or not _HEADERS.fullmatch(f"\n{name}:{value}"):
                    # Not its value, which may be a secret.
                    return f"its header {name!r} has characters that no header may have"
            case _:
                return f"it has {shown(header)} for a header; write tuples of two texts"
    return "its headers cannot be read; write a list of tuples of two texts"
