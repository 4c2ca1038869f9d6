"""Names and passwords as they are kept, and what is wrong with those that are not."""

from __future__ import annotations

import re
import unicodedata

from apps.accounts.users.constants import (
    COMMON_PASSWORDS,
    LONGEST_PASSWORD,
    NAME_HINT,
    NAME_PATTERN,
    SHORTEST_PASSWORD,
)


def plain_name(text: str) -> str:
    """Return a name as it is kept: case makes no difference."""
    return text.strip().lower()


def plain_password(text: str) -> str:
    """Return a password as it is hashed: one text for what keyboards write in several ways."""
    return unicodedata.normalize("NFKC", text)


def name_fault(name: str) -> str | None:
    """Return what is wrong with a name, and what to write; None where nothing is."""
    if not re.fullmatch(NAME_PATTERN, name):
        return f"Write {NAME_HINT}"
    return None


def password_fault(password: str, name: str) -> str | None:
    """Return what is wrong with a new password, and what to write; None where nothing is."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        return f"Write {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters."
    small = password.lower()
    if small in COMMON_PASSWORDS or len(set(small)) < 3 or (name and small.startswith(name)):
        return "This is one of the first that others would try: write another."
    return None
