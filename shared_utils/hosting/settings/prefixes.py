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
    parts = [part for part in prefix.split("/") if part not in ("", ".", "..")]
    plain = "/" + ("/".join(parts) if parts and parts[0] != "-" else "name")
    if not prefix.startswith("/"):
        return "has no leading slash", f'write "{plain}"'
    if prefix == ROOT:
        return None
    if prefix.endswith("/"):
        return "has a trailing slash", f'write "{plain}"'
    if "" in segments or "." in segments or ".." in segments:
        return "has an empty or dotted segment", f'write "{plain}"'
    if prefix == RESERVED or prefix.startswith(f"{RESERVED}/"):
        return "is under /-, which is the host's own", "write another first segment"
    unsafe = [c for c in prefix if _UNSAFE.match(c) or not c.isprintable()]
    if unsafe:
        return f"has the character {unsafe[0]!r}", "write plain, decoded path segments"
    return None


def script_name(prefix: str) -> str:
    """Return ``prefix`` as a WSGI environ spells it; the root prefix becomes the empty string.

    >>> script_name("/café")
    '/cafÃ©'
    """
    return "" if prefix == ROOT else prefix.encode().decode("latin-1")
