"""What the API takes and gives: trades and positions.

Decimals are text both ways: as JSON numbers most programs would make binary fractions of them.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema

from apps.trades.ledger import fields
from apps.trades.ledger.constants import DECIMAL_PATTERN, PLACE_PATTERN, SYMBOL_PATTERN
from apps.trades.ledger.enums import Side

LARGEST_PAGE = 500
"""Trades on a page of the API."""


def _text(parse: Callable[[str], Any]) -> PlainValidator:
    """Return a validator that takes text alone."""

    def validated(value: object) -> Any:
        if not isinstance(value, str):
            raise ValueError('Write it as text, such as "12.50".')
        return parse(value)

    return PlainValidator(validated)


def _limit(text: str) -> int:
    if re.fullmatch("[0-9]{1,9}", text) and 1 <= int(text) <= LARGEST_PAGE:
        return int(text)
    raise ValueError(f"Write a whole number from 1 to {LARGEST_PAGE}.")


_DAY = {"type": "string", "format": "date", "examples": ["2024-05-06"]}
_POSITIVE = rf"^(?!0+(\.0+)?$){DECIMAL_PATTERN}$"

Symbol = Annotated[
    str,
    _text(fields.symbol),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^{SYMBOL_PATTERN}$",
            "description": "Small letters are taken for capitals.",
            "examples": ["ACME"],
        }
    ),
]
SideText = Annotated[
    Side,
    _text(fields.side),
    WithJsonSchema({"type": "string", "enum": [side.value for side in Side]}),
]
Quantity = Annotated[
    Decimal,
    _text(fields.quantity),
    PlainSerializer(fields.plain, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _POSITIVE, "examples": ["10"]}),
]
Price = Annotated[
    Decimal,
    _text(fields.price),
    PlainSerializer(fields.plain, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _POSITIVE, "examples": ["12.5"]}),
]
TradingDay = Annotated[
    datetime.date,
    _text(fields.traded_on),
    WithJsonSchema({**_DAY, "description": "Not in the future."}),
]
Day = Annotated[datetime.date, _text(fields.day), WithJsonSchema(_DAY)]
Amount = Annotated[
    Decimal,
    PlainSerializer(fields.plain, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$", "examples": ["-1.5"]}),
]


class TradeIn(BaseModel):
    """A trade to record."""

    model_config = ConfigDict(extra="forbid", title="TradeIn")

    symbol: Symbol
    side: SideText
    quantity: Quantity
    price: Price
    traded_on: TradingDay


class TradeOut(BaseModel):
    """A recorded trade."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    symbol: str
    side: Side
    quantity: Amount
    price: Amount
    traded_on: datetime.date


class TradesQuery(BaseModel):
    """Which trades."""

    model_config = ConfigDict(extra="forbid")

    symbol: Symbol | None = None
    side: SideText | None = None
    since: Day | None = Field(None, description="The first day.")
    until: Day | None = Field(None, description="The last day.")


class PageQuery(TradesQuery):
    """Which trades, and how many of them."""

    limit: Annotated[
        int | None,
        _text(_limit),
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}),
    ] = None
    before: Annotated[
        str | None,
        WithJsonSchema({"type": "string", "pattern": f"^{PLACE_PATTERN}$"}),
    ] = Field(None, description="Only trades after this place, as the link `older` has it.")


class TradesOut(BaseModel):
    """A page of trades, newest first."""

    trades: list[TradeOut]
    older: str | None = Field(description="URL of the next page; null on the last.")


class PositionOut(BaseModel):
    """All trades of one symbol, taken together: first in, first out."""

    model_config = ConfigDict(from_attributes=True)

    symbol: str
    quantity: Amount = Field(description="How many are held; below zero of a short position.")
    cost: Amount = Field(description="What the held ones cost.")
    average: Amount | None = Field(description="What one cost on average, rounded to 8 places.")
    realised: Amount = Field(description="Profit of what was bought and sold again.")
    trades: int


class PositionsOut(BaseModel):
    """All positions, by symbol."""

    model_config = ConfigDict(from_attributes=True)

    positions: list[PositionOut]
    realised: Amount
