"""How a page puts a neighbour's state; used in templates as a filter."""

from __future__ import annotations

_LABELS = {
    "up": "Up",
    "lazy": "Starts on first visit",
    "starting": "Starting",
    "down": "Down",
}


def state_label(state: str) -> str:
    """Return the words for a state; a state that is new to the portal is its own word."""
    return _LABELS.get(state, state.capitalize())
