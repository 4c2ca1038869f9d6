"""Which values are secrets, and what may be shown of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "********"

_NAMES = re.compile(
    r"SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|PRIVATE|APIKEY"
    r"|(?:^|_)(?:PASS|PWD|TOKENS?|KEYS?|DSN|SALT|PEPPER|AUTH|JWT)(?:_|$)",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"(?:_(?:TTL|TIMEOUT|SECONDS|LENGTH|SIZE|PREFIX|NAME|NAMES|ENABLED|AGE))$")
_TOLD = re.compile(r"(?<=://)([^:@/\s]*):(\S+)(?=@)|(?<=://)[^:@/\s]+(?=@)")
_INLINE = re.compile(
    r"\b(\w*(?:token|key|secret|pass\w*|pwd))(\s*=\s*)(\"[^\"]*\"|'[^']*'|[^\s&;,]+)", re.IGNORECASE
)


def is_secret(key: str) -> bool:
    """Say whether a config key of this name holds a secret (``SECRET_KEY``, ``MAIL_PASSWORD``).

    >>> is_secret("SMTP_PASS"), is_secret("TOKEN_TTL")
    (True, False)
    """
    return _NAMES.search(key) is not None and _PLAIN.search(key.upper()) is None


def masked_text(text: str, longest: int) -> str:
    """Return the beginning of a text as it may be shown, such as what an error says.

    At most four times ``longest`` is looked at, which bounds what hostile text costs. A word that
    ends there is left out: it may be half a secret, which nobody knows for one.

    >>> masked_text("cannot reach postgresql://me:hunter2@db/shop", 300)
    'cannot reach postgresql://me:********@db/shop'
    """
    part = text[: 4 * longest]
    if len(part) < len(text):
        part = part[: max(part.rfind(" "), part.rfind("\n"), 0)] or MASK
    return shortened(str(masked("", part)), longest)


def shortened(text: str, longest: int) -> str:
    """Return a text of at most so many characters; where it is cut off, it says so.

    >>> shortened("a long story", 7), shortened("a word", 7)
    ('a long…', 'a word')
    """
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def masked(key: str, value: Any) -> Any:
    """Return ``value`` as it may be shown: secrets masked, inside tables and URLs as well."""
    if value is None or isinstance(value, bool):
        return value
    if is_secret(key):
        return MASK
    if isinstance(value, bytes):
        return masked(key, value.decode(errors="replace"))
    if isinstance(value, str):
        shown = _TOLD.sub(lambda told: MASK if told[2] is None else f"{told[1]}:{MASK}", value)
        return _INLINE.sub(rf"\1\2{MASK}", shown)
    if isinstance(value, Mapping):
        return {inner: masked(str(inner), held) for inner, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(key, held) for held in value]
    return value
