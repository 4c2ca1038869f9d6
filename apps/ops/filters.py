"""How a page puts figures, times and contacts; used in templates as filters."""

from __future__ import annotations

import datetime
import time

from flask import Flask

from shared_utils.contact import contact_url

NONE = "\N{EN DASH}"
"""Stands where there is nothing to tell."""

_LABELS = {
    "up": "Up",
    "lazy": "Starts on first visit",
    "starting": "Starting",
    "down": "Down",
    "maintenance": "Maintenance",
}


def init_app(app: Flask) -> None:
    """Give them to the app's templates."""
    for function in (ago, amount, contact_url, percent, rate, seconds, state_label, moment):
        app.add_template_filter(function)


def state_label(state: str) -> str:
    """Return the words for a state."""
    return _LABELS.get(state, state.capitalize())


def amount(number: float | None) -> str:
    """Return a whole number; a dash for none at all: what is zero is not to be looked at.

    >>> amount(1234)
    '1,234'
    """
    return f"{number:,.0f}" if number else NONE


def rate(number: float | None) -> str:
    """Return so many a second.

    >>> rate(1234.5), rate(3.14), rate(0.02)
    ('1,234', '3.1', '<0.1')
    """
    if not number:
        return NONE
    if number < 0.1:
        return "<0.1"
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}"


def percent(part: float | None) -> str:
    """Return a part as a percentage; a dash for none.

    >>> percent(0.421), percent(0.0004)
    ('42%', '<1%')
    """
    if not part:
        return NONE
    return "<1%" if part < 0.01 else f"{part:.0%}"


def seconds(number: float | None) -> str:
    """Return a duration in the unit that suits it.

    >>> seconds(0.0042), seconds(0.25), seconds(3.2), seconds(75), seconds(7300)
    ('4.2 ms', '250 ms', '3.2 s', '75 s', '122 min')
    """
    if number is None:
        return NONE
    if number < 0.01:
        return f"{number * 1000:.1f} ms"
    if number < 1:
        return f"{number * 1000:.0f} ms"
    if number < 10:
        return f"{number:.1f} s"
    return f"{number:.0f} s" if number < 120 else f"{number / 60:.0f} min"


def ago(at: float) -> str:
    """Return how long ago a moment (``time.time()``) was."""
    past = time.time() - at
    if past < 2:
        return "now"
    if past < 100:
        return f"{past:.0f} s ago"
    if past < 6000:
        return f"{past / 60:.0f} min ago"
    return f"{past / 3600:.0f} h ago" if past < 36 * 3600 else f"{past / 86400:.0f} days ago"


def moment(at: float) -> str:
    """Return a moment (``time.time()``) as ISO 8601 has it, in UTC."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="seconds")
