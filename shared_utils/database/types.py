"""Column types that mean the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import DateTime, Dialect, Numeric, String
from sqlalchemy.sql.operators import OperatorType, is_, is_not
from sqlalchemy.types import TypeDecorator, TypeEngine

_TEXT_ONLY = (is_, is_not)


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal number that comes back as it was stored, to the last zero.

    NUMERIC on PostgreSQL, text on SQLite, which would make binary fractions of it. As text does
    not sort and add up like numbers, the column cannot be compared, sorted or summed in SQL on
    either: do that in Python. A query may ask whether it is NULL.

    Raises:
        TypeError: what is stored is not a Decimal, or a query compares the column.
        ValueError: what is stored is infinite, or not a number.
    """

    impl = Numeric
    cache_ok = True

    class Comparator(TypeDecorator.Comparator[Decimal]):
        """Refuses what would be right on PostgreSQL alone."""

        def operate(self, op: OperatorType, *other: Any, **kwargs: Any) -> Any:
            """Allow ``IS NULL`` and ``IS NOT NULL``."""
            if op not in _TEXT_ONLY:
                raise TypeError(
                    f"{self.expr} is an ExactDecimal, which is text on SQLite: "
                    "compare, sort and sum it in Python"
                )
            return super().operate(op, *other, **kwargs)

    comparator_factory = Comparator

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose text where there are no exact decimals."""
        return dialect.type_descriptor(String() if dialect.name == "sqlite" else Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Return what is stored."""
        if value is None:
            return None
        if not isinstance(value, Decimal):
            raise TypeError(f"{value!r} is a {type(value).__name__}; store a decimal.Decimal")
        if not value.is_finite():
            raise ValueError(f"{value} cannot be stored; store a finite number")
        return f"{value:f}" if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Return what was stored."""
        return None if value is None else Decimal(value)


class UtcDateTime(TypeDecorator[datetime.datetime]):
    """A moment: aware datetimes go in, and come back in UTC, with microseconds.

    TIMESTAMP WITH TIME ZONE on PostgreSQL; on SQLite text in UTC, which sorts as moments do.

    Raises:
        ValueError: what is stored says no time zone.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime.datetime | None, dialect: Dialect
    ) -> datetime.datetime | None:
        """Return the moment in UTC."""
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError(f"{value!r} says no time zone; store datetime.datetime.now(UTC)")
        return value.astimezone(datetime.UTC)

    def process_result_value(
        self, value: datetime.datetime | None, dialect: Dialect
    ) -> datetime.datetime | None:
        """Return the moment in UTC."""
        if value is None:
            return None
        if value.tzinfo is None:  # SQLite
            return value.replace(tzinfo=datetime.UTC)
        return value.astimezone(datetime.UTC)
