from __future__ import annotations

import datetime
from datetime import UTC, timedelta, timezone
from decimal import Decimal

import pytest
from flask import Flask
from hypothesis import given, strategies
from sqlalchemy import Dialect, func, make_url, select
from sqlalchemy.exc import StatementError

from shared_utils.database import ExactDecimal, UtcDateTime
from tests.shared_utils.database.shops import Shop

SQLITE = make_url("sqlite://").get_dialect()()
POSTGRESQL = make_url("postgresql://").get_dialect()()

PRICES = [
    *("0", "0.00", "-0.1", "12.50", "1E+3", "1E-12"),
    *("123456789012.12345678", "0.1234567890123456789012345678901234567890", "9" * 60),
]


@pytest.mark.parametrize("text", PRICES)
def test_decimals_come_back_to_the_last_zero(app: Flask, shop: Shop, text: str) -> None:
    with app.app_context():
        with shop.db.write() as session:
            session.add(shop.module.Item(id=1, price=Decimal(text)))
        price = shop.db.session.scalar(select(shop.module.Item.price))

    assert type(price) is Decimal
    assert f"{price:f}" == f"{Decimal(text):f}"


@given(strategies.decimals(allow_nan=False, allow_infinity=False))
def test_any_decimal_is_text_on_sqlite(value: Decimal) -> None:
    stored = ExactDecimal().process_bind_param(value, SQLITE)
    assert isinstance(stored, str)
    assert ExactDecimal().process_result_value(stored, SQLITE) == value


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), 1.5, 1, "1.5"])
def test_what_is_no_exact_number_is_refused(app: Flask, shop: Shop, value: object) -> None:
    with (
        app.app_context(),
        pytest.raises(StatementError, match=r"store a (decimal\.Decimal|finite number)"),
        shop.db.write() as session,
    ):
        session.add(shop.module.Item(price=value))


def test_decimals_are_not_compared_sorted_or_summed_in_sql(shop: Shop) -> None:
    price = shop.module.Item.price
    for build in (
        lambda: price > Decimal(1),
        lambda: price == Decimal(1),
        lambda: price + price,
        lambda: select(price).order_by(price.desc()),
    ):
        with pytest.raises(TypeError, match=r"sum it in Python"):
            build()
    assert "IS NOT NULL" in str(select(func.count()).where(price.is_not(None)))


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL])
def test_nothing_stays_nothing(dialect: Dialect) -> None:
    for column in (ExactDecimal(), UtcDateTime()):
        assert column.process_bind_param(None, dialect) is None
        assert column.process_result_value(None, dialect) is None


def test_moments_come_back_in_utc_and_sort(app: Flask, shop: Shop) -> None:
    moment = datetime.datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)
    east = timezone(timedelta(hours=14))
    moments = [moment.astimezone(east), moment - timedelta(microseconds=1)]
    item = shop.module.Item
    with app.app_context():
        with shop.db.write() as session:
            session.add_all(item(sold_at=each) for each in moments)
        found = list(shop.db.session.scalars(select(item.sold_at).order_by(item.sold_at)))
        later = shop.db.session.scalars(select(item.sold_at).where(item.sold_at >= moment)).all()

    assert found == [moments[1], moment]
    assert later == [moment]
    assert {each.tzinfo for each in found} == {UTC}


def test_a_moment_without_a_time_zone_is_refused(app: Flask, shop: Shop) -> None:
    with (
        app.app_context(),
        pytest.raises(StatementError, match="says no time zone"),
        shop.db.write() as session,
    ):
        session.add(shop.module.Item(sold_at=datetime.datetime(2026, 3, 29)))
