"""What each field of a trade may be, wherever it comes from: a form, JSON, or a row of a file.

Each function takes text and returns the value; it raises ValueError with a sentence that says what
to write instead.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Callable
from decimal import Decimal

from apps.trades.ledger.constants import DECIMAL_PATTERN, SYMBOL_PATTERN
from apps.trades.ledger.enums import Side

_matches_symbol = re.compile(SYMBOL_PATTERN).fullmatch
_is_decimal = re.compile(DECIMAL_PATTERN).fullmatch
_is_day = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch

_FARTHEST_EAST = datetime.timedelta(hours=14)
"""The time zone where a day begins first, UTC+14."""


def is_symbol(text: str) -> bool:
    """Say whether a text has the form of a symbol."""
    return _matches_symbol(text) is not None


def symbol(text: str) -> str:
    """Return a symbol; small letters are taken for capitals."""
    if not is_symbol(text):
        raise ValueError(
            "Symbol: write 1 to 12 letters from A to Z, digits, dots and hyphens, a letter first, "
            "such as ACME or BRK.B."
        )
    return text.upper()


def side(text: str) -> Side:
    """Return a side."""
    if text == "buy":
        return Side.BUY
    if text == "sell":
        return Side.SELL
    raise ValueError("Side: choose buy or sell.")


def quantity(text: str) -> Decimal:
    """Return how many were bought or sold."""
    return _decimal(text, "Quantity")


def price(text: str) -> Decimal:
    """Return what one cost."""
    return _decimal(text, "Price")


def traded_on(text: str) -> datetime.date:
    """Return the day of a trade."""
    found = day(text)
    if found > last_day():
        raise ValueError("Date: choose today or a day in the past.")
    return found


@functools.lru_cache(4096)  # a file has many rows of one day
def day(text: str) -> datetime.date:
    """Return any day, such as a filter's."""
    try:
        # fromisoformat() alone reads week dates and dates without hyphens as well.
        if _is_day(text):
            return datetime.date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError("Date: write year-month-day, such as 2025-01-31.")


def last_day() -> datetime.date:
    """Return the last day that is not in the future: today, where on earth it is latest."""
    return (datetime.datetime.now(datetime.UTC) + _FARTHEST_EAST).date()


def plain(value: Decimal) -> str:
    """Return a decimal as people and programs read it: exact, and without needless zeros."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


PARSERS: dict[str, Callable[[str], object]] = {
    "symbol": symbol,
    "side": side,
    "quantity": quantity,
    "price": price,
    "traded_on": traded_on,
}
"""Every field of a trade by name, in the order in which forms and files have them."""


def _decimal(text: str, label: str) -> Decimal:
    if not _is_decimal(text) or not (value := Decimal(text)):
        raise ValueError(
            f"{label}: write a number above 0, such as 12.50, with at most 12 digits before "
            "the point and 8 after it."
        )
    # One value has one form, so that the same trade is known again: 12.50 is 12.5.
    return Decimal(text.rstrip("0").rstrip(".")) if "." in text else value
