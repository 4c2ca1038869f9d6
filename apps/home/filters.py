"""How a page puts a neighbour's state and contact; used in templates as filters."""

from __future__ import annotations

import re
from urllib.parse import quote

_LABELS = {
    "up": "Up",
    "lazy": "Starts on first visit",
    "starting": "Starting",
    "down": "Down",
}

_EMAIL = re.compile(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+")


def state_label(state: str) -> str:
    """Return the words for a state; a state that is new to the portal is its own word."""
    return _LABELS.get(state, state.capitalize())


def contact_url(contact: str) -> str | None:
    """Return where a contact leads: an address or a web page; None for any other text.

    The text comes from another team's manifest, so that only schemes named here become links.
    """
    if contact.startswith(("https://", "http://")):
        return contact
    if _EMAIL.fullmatch(contact):
        return f"mailto:{quote(contact, safe='@')}"
    return None
