"""From what a client sent to a trade that may be stored, or to what is wrong with it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from apps.trades.ledger.constants import DECIMAL_PATTERN, SYMBOL_PATTERN
from apps.trades.ledger.enums import Side
from apps.trades.ledger.models import Draft


class InvalidTradeError(ValueError):
    """A trade that cannot be stored.

    Attributes:
        errors: for each field that is wrong, a sentence that says what to write instead.
    """

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = dict(errors)


def read(fields: Mapping[str, object]) -> Draft:
    """Return the trade that ``fields`` describe.

    Args:
        fields: ``symbol``, ``side``, ``quantity``, ``price`` and ``traded_on``, each as text.
            Others do not matter.

    Raises:
        InvalidTradeError: some fields are missing or wrong; all of them are named.
    """
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, parse in _PARSERS.items():
        text = fields.get(name)
        try:
            values[name] = parse(text.strip() if isinstance(text, str) else "")
        except ValueError as error:
            errors[name] = str(error)
    if errors:
        raise InvalidTradeError(errors)
    return Draft(**values)


def _symbol(text: str) -> str:
    if not re.fullmatch(SYMBOL_PATTERN, text):
        raise ValueError(
            "Symbol: write 1 to 12 capital letters, digits, dots and hyphens, a letter first, "
            "such as ACME or BRK.B."
        )
    return text


def _side(text: str) -> Side:
    if text not in list(Side):
        raise ValueError("Side: choose buy or sell.")
    return Side(text)


def _decimal(label: str) -> Callable[[str], Decimal]:
    def parse(text: str) -> Decimal:
        if not re.fullmatch(DECIMAL_PATTERN, text) or not Decimal(text):
            raise ValueError(
                f"{label}: write a number above 0, such as 12.50, with at most 12 digits before "
                "the point and 8 after it."
            )
        return Decimal(text)

    return parse


def _day(text: str) -> datetime.date:
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        day = None
    # fromisoformat() reads week dates and dates without hyphens as well.
    if day is None or day.isoformat() != text:
        raise ValueError("Date: write year-month-day, such as 2025-01-31.")
    if day > datetime.date.today():
        raise ValueError("Date: choose today or a day in the past.")
    return day


_PARSERS: Mapping[str, Callable[[str], object]] = {
    "symbol": _symbol,
    "side": _side,
    "quantity": _decimal("Quantity"),
    "price": _decimal("Price"),
    "traded_on": _day,
}
