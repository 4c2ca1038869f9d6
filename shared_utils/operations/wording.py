"""How figures are put, for people: in a page, in a terminal, in the words for what is wrong."""

from __future__ import annotations

NONE = "\N{EN DASH}"
"""Stands where there is nothing to tell."""


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
