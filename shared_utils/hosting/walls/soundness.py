"""What the barrier wants of an app's status, headers and body: soundness, as WSGI has it.

Cheap where all is well, which is always; what exactly is wrong is found out afterwards.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

from shared_utils.hosting.cookies import Headers
from shared_utils.hosting.known_headers import Known, Outline, Pairs
from shared_utils.hosting.telemetry.own_headers import LENGTH

_STATUS = re.compile(r"[0-9]{3}(?: [ \t\x21-\x7e\x80-\xff]*)?")
_HEADERS = re.compile(r"(?:\n[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[ \t\x21-\x7e\x80-\xff]*)*")
"""Lines of ``name:value`` as RFC 9110, section 5, has them, and as gunicorn lets them pass."""


_LONGEST = 18
"""Digits of a ``Content-Length``."""

_MOST = 32
"""Headers of a response that is kept."""


class Misuse(Exception):
    """An app breaks WSGI; says what it did, and what to do instead."""


Sound = tuple[str, Headers, int | None, bool, Known | None]
"""Status and headers that a response can have, in texts of no app's class and as its own; their
``Content-Length``, if any; whether there is a ``Set-Cookie``; and what is known of them. A plain
tuple: others take longer to unpack."""


def checked(status: str, headers: Headers) -> Sound:
    """Check what an app gave to ``start_response``; return that, which it changes no more.

    Raises:
        Misuse: status or headers are none that a response can have.
    """
    if type(status) is not str:
        status = _plain(status)
    pairs: Pairs = tuple(headers)
    before, number = pairs, ""
    after: Pairs | None = None
    outline: Outline | None = None
    try:
        for at, (name, value) in enumerate(pairs):
            if name == LENGTH:
                before, after, number = pairs[:at], pairs[at + 1 :], value
                break
        outline = _known.get((status, before, after))
    except (TypeError, ValueError):  # a pair may be a list, or no pair at all
        pass
    # What is passed on is the outline's: the app's may be texts of a class that only equal it.
    if outline is not None:
        if not outline.has_length:
            whole = [*outline.before]
            return status, whole, None, False, ([*whole], None, "", outline)
        if (
            type(number) is str
            and number.isdecimal()
            and number.isascii()
            and len(number) <= _LONGEST
        ):
            whole = [*outline.before, (LENGTH, number), *outline.after]
            length = int(number)
            return status, whole, length, False, ([*whole], length, number, outline)
    return _looked_at(status, pairs, before, after)


def _plain(text: Any) -> str:
    """Return what a text of an app's class holds, whatever that says of itself."""
    try:
        return str.__str__(text)
    except TypeError:  # it is no text
        return text  # type: ignore[no-any-return]


def _looked_at(status: str, given: Pairs, before: Pairs, after: Pairs | None) -> Sound:
    headers: Headers = []
    try:
        for header in given:
            # Once: a class of the app's could give something else the next time.
            name, value = header
            headers.append((str.__str__(name), str.__str__(value)))
        lines = "\n".join(["", *map(":".join, headers)])
        is_sound = (
            len(headers) == lines.count("\n")
            and not any(":" in name for name, _ in headers)
            and _STATUS.fullmatch(status)
            and _HEADERS.fullmatch(lines)
        )
    except (TypeError, ValueError):
        is_sound = False
    if not is_sound:
        raise Misuse(_fault_in(status, given))
    lines = lines.lower()
    length, has_cookies = _length_in(lines), "\nset-cookie:" in lines
    has_other_length = lines.count("\ncontent-length:") > (after is not None)
    # Cookies are another's each time, and secrets.
    if not (has_cookies or has_other_length) and _are_kept(status, given):
        if len(_known) >= 256:
            _known.clear()
        _known.setdefault((status, before, after), Outline(before, after))
    return status, headers, length, has_cookies, None


_known: dict[tuple[str, Pairs, Pairs | None], Outline] = {}
"""By status, and the headers before and behind the ``Content-Length``, if there is one."""


def _are_kept(status: str, headers: Pairs) -> bool:
    """Say whether headers may be kept: they are few and small, and nothing is of an app's classes.

    Those would compare themselves with a neighbour's headers, and keep what belongs to them; and
    what they were when they were checked, they need not be later. Not even their types are asked
    whether they are the same: those may be of an app's class as well.
    """
    if len(headers) > _MOST or not all(type(header) is tuple for header in headers):
        return False
    texts = [status, *itertools.chain.from_iterable(headers)]
    return all(type(text) is str for text in texts) and sum(map(len, texts)) <= 2048


def _length_in(lines: str) -> int | None:
    at = lines.rfind("\ncontent-length:")
    if at < 0:
        return None
    value = lines[at + 16 :].partition("\n")[0].strip(" \t")
    if not value.isdecimal() or len(value) > _LONGEST:
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
    for given in headers:
        header = tuple(given) if isinstance(given, list) else given
        match header:
            case (str(name), str(value)):
                if (
                    "\n" in name + value
                    or ":" in name
                    or not _HEADERS.fullmatch(f"\n{name}:{value}")
                ):
                    # Not its value, which may be a secret.
                    return f"its header {name!r} has characters that no header may have"
            case _:
                return f"it has {shown(header)} for a header; write tuples of two texts"
    return "its headers cannot be read; write a list of tuples of two texts"
