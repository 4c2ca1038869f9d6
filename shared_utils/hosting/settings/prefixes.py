"""What a prefix may look like.

A prefix is the path under which an app is mounted, as its team writes it: decoded, with a
leading slash and no trailing one. In a WSGI environ the same path is spelt differently, as the
latin-1 reading of its UTF-8 bytes (PEP 3333).
"""

from __future__ import annotations

import re

RESERVED = "/-"
ROOT = "/"

_UNSAFE = re.compile(r"[\x00-\x20\x7f%?#\\;\"'<>{}|^`,]")


def problem(prefix: str) -> tuple[str, str] | None:
    """Return what is wrong with ``prefix`` and what to write, or None where nothing is."""
    segments = prefix.split("/")[1:]
    if not prefix.startswith("/"):
        return "has no leading slash", f'write "/{prefix.strip("/")}"'
    if prefix == ROOT:
        return None
    if prefix.endswith("/"):
        return "has a trailing slash", f'write "{prefix.rstrip("/") or "/name"}"'
    if "" in segments or "." in segments or ".." in segments:
        plain = "/".join(part for part in segments if part not in ("", ".", ".."))
        return "has an empty or dotted segment", f'write "/{plain or "name"}"'
    if prefix == RESERVED or prefix.startswith(f"{RESERVED}/"):
        return "is under /-, which is the host's own", "write another first segment"
    if found := _UNSAFE.search(prefix):
        return f"has the character {found.group()!r}", "write plain, decoded path segments"
    return None


def script_name(prefix: str) -> str:
    """Return ``prefix`` as a WSGI environ spells it; the root prefix becomes the empty string.

    >>> script_name("/café")
    '/cafÃ©'
    """
    return "" if prefix == ROOT else prefix.encode().decode("latin-1")
