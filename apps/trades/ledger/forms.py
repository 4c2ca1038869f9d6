"""From what a client sent to a trade that may be stored, or to what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.trades.ledger.fields import PARSERS
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
    for name, parse in PARSERS.items():
        text = fields.get(name)
        try:
            values[name] = parse(text.strip() if isinstance(text, str) else "")
        except ValueError as error:
            errors[name] = str(error)
    if errors:
        raise InvalidTradeError(errors)
    return Draft(**values)
