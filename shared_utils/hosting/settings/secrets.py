"""Which values are secrets, and what may be shown of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "********"

_NAMES = re.compile(
    r"SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|PRIVATE"
    r"|(?:^|_)(?:TOKENS?|KEYS?|PWD|DSN|SALT|PEPPER)$",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"(?<=://)([^:@/\s]*):([^@/\s]+)(?=@)")
_INLINE = re.compile(r"\b(password|passwd|pwd|secret|token|api_?key)=[^\s&;]+", re.IGNORECASE)


def is_secret(key: str) -> bool:
    """Say whether a config key of this name holds a secret (``SECRET_KEY``, ``MAIL_PASSWORD``)."""
    return _NAMES.search(key) is not None


def masked(key: str, value: Any) -> Any:
    """Return ``value`` as it may be shown: secrets masked, inside tables and URLs as well."""
    if value is None or isinstance(value, bool):
        return value
    if is_secret(key):
        return MASK
    if isinstance(value, str):
        shown = _URL_PASSWORD.sub(rf"\1:{MASK}", value)
        return _INLINE.sub(rf"\1={MASK}", shown)
    if isinstance(value, Mapping):
        return {inner: masked(str(inner), held) for inner, held in value.items()}
    if isinstance(value, list | tuple):
        return [masked(key, held) for held in value]
    return value
