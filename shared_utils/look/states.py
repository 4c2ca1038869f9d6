"""The words for the state of an app."""

from __future__ import annotations

_LABELS = {
    "up": "Up",
    "lazy": "Starts on first visit",
    "starting": "Starting",
    "down": "Down",
    "maintenance": "Maintenance",
}


def state_label(state: str) -> str:
    """Return the words for a state; one that is new here is its own word.

    >>> state_label("lazy"), state_label("asleep")
    ('Starts on first visit', 'Asleep')
    """
    return _LABELS.get(state, state.capitalize())
