"""Where a contact leads, as a manifest names it."""

from __future__ import annotations

import re
from urllib.parse import quote

_EMAIL = re.compile(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+")


def contact_url(contact: str) -> str | None:
    """Return where a contact leads: an address or a web page; None for any other text.

    The text comes from another team's manifest, so that only schemes named here become links.
    """
    if contact.startswith(("https://", "http://")):
        return contact
    if _EMAIL.fullmatch(contact):
        return f"mailto:{quote(contact, safe='@')}"
    return None
