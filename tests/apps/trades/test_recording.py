"""Recording trades by form and by JSON, at the root and under a prefix."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from apps.trades.database import db
from apps.trades.ledger.models import Trade
from tests.apps.trades.trader import TRADE, Trader
from tests.hostile import MARKUP

HOSTILE = f"{MARKUP}; DROP TABLE trade; --"


def test_form_leads_back_to_the_ledger_which_shows_the_trade(trader: Trader) -> None:
    answer = trader.send_form(price="00012.50")

    assert (answer.status_code, answer.location) == (303, trader.ledger)
    page = trader.page().text
    assert "Recorded: buy 10 ACME at 12.5." in page
    assert "<b>ACME</b>" in page
    assert "Recorded:" not in trader.page().text, "said once"


def test_json_is_answered_with_the_trade_and_its_place(trader: Trader) -> None:
    answer = trader.send_json()

    assert answer.status_code == 201
    assert answer.location == f"{trader.api}/trades/1"
    assert answer.json == {"id": 1, **TRADE}
    assert trader.client.get(answer.location).json == answer.json


def test_decimals_stay_exact(trader: Trader) -> None:
    answer = trader.send_json(quantity="0.00000001", price="123456789012.12345678")

    assert answer.json is not None
    assert answer.json["quantity"] == "0.00000001"
    assert answer.json["price"] == "123456789012.12345678"
    assert "<span>0.00000001</span>" in trader.page().text


def test_equal_trades_are_each_kept(trader: Trader) -> None:
    trader.send_json(price="12.50")
    trader.send_json(price="12.5")

    assert [trade["id"] for trade in trader.trades()] == [2, 1]


def test_form_with_mistakes_comes_back_as_it_was_filled_in(
    trader: Trader, day_after_tomorrow: str
) -> None:
    answer = trader.send_form(
        symbol="ac!me", quantity="-3", side="sell", traded_on=day_after_tomorrow
    )

    assert answer.status_code == 422
    assert "Nothing was recorded." in answer.text
    assert 'value="ac!me"' in answer.text
    assert 'id="symbol-error">Symbol: write 1 to 12 letters from A to Z' in answer.text
    assert 'id="quantity-error">Quantity: write a number above 0' in answer.text
    assert 'id="traded_on-error">Date: choose today' in answer.text
    assert 'id="price-error"' not in answer.text
    assert '<option value="sell" selected>' in answer.text
    assert trader.trades() == []


def test_small_letters_of_a_symbol_are_capitals_in_the_form_and_the_api(trader: Trader) -> None:
    trader.send_form(symbol="acme")
    assert trader.send_json(symbol="Acme").status_code == 201

    assert [trade["symbol"] for trade in trader.trades()] == ["ACME", "ACME"]


def test_json_with_mistakes_is_answered_with_all_of_them(trader: Trader) -> None:
    answer = trader.send_json(symbol="4ACME", price="-1")

    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    assert answer.json is not None
    assert sorted(answer.json["errors"]) == ["price", "symbol"]
    assert trader.trades() == []


@pytest.mark.parametrize("field", ["symbol", "side", "quantity", "price", "traded_on"])
def test_markup_and_sql_in_a_field_are_only_text(trader: Trader, field: str) -> None:
    trader.send_form()

    refused = trader.send_form(**{field: HOSTILE})

    assert refused.status_code == 422
    assert "<script" not in refused.text
    assert len(trader.trades()) == 1


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"price": NaN}',
        b"\xff",
        b"[" * 60000,
        b'{"price": ' + b"1" * 60000 + b"",
    ],
    ids=lambda body: repr(body)[:16],
)
def test_body_that_is_no_json_object_is_refused(trader: Trader, body: bytes) -> None:
    answer = trader.client.post(f"{trader.api}/trades", data=body, content_type="application/json")

    assert answer.status_code == 400
    assert answer.mimetype == "application/problem+json"
    assert trader.trades() == []


@pytest.mark.parametrize(
    "body",
    [b'{"price": "1", "price": "1"}', b'{"symbol": {"price": 1, "\\u0070rice": 2}}'],
    ids=["outside", "inside"],
)
def test_a_key_that_stands_twice_is_refused_by_name(trader: Trader, body: bytes) -> None:
    answer = trader.client.post(f"{trader.api}/trades", data=body, content_type="application/json")

    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    assert answer.json is not None
    assert answer.json["errors"] == {"price": "It stands twice; write it once."}


def test_what_is_no_json_is_said_to_be_none(trader: Trader) -> None:
    answer = trader.client.post(
        f"{trader.api}/trades", data=b'{"price": NaN}', content_type="application/json"
    )

    assert answer.json is not None
    assert answer.json["detail"] == "The body is no JSON: NaN is not JSON."


def test_odd_values_in_json_are_refused(trader: Trader) -> None:
    body = b'{"symbol": "\\ud800", "side": {"a": 1}, "quantity": 5, "price": 1e99, "traded_on": 0}'

    answer = trader.client.post(f"{trader.api}/trades", data=body, content_type="application/json")

    assert answer.status_code == 422
    assert answer.json is not None
    assert len(answer.json["errors"]) == 5


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"{}", b"5"])
def test_json_that_is_no_trade_is_refused(trader: Trader, body: bytes) -> None:
    answer = trader.client.post(f"{trader.api}/trades", data=body, content_type="application/json")

    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"


def test_field_that_is_not_known_is_refused(trader: Trader) -> None:
    answer = trader.send_json(note="x")

    assert answer.status_code == 422
    assert answer.json is not None
    assert list(answer.json["errors"]) == ["note"]


def test_huge_bodies_are_refused(trader: Trader) -> None:
    body = b"a" * 65537
    answer = trader.client.post(f"{trader.api}/trades", data=body, content_type="application/json")
    page = trader.client.post(
        trader.ledger, data=body, content_type="application/x-www-form-urlencoded"
    )

    assert (answer.status_code, page.status_code) == (413, 413)
    assert trader.trades() == []


@pytest.mark.parametrize("token", [None, "", "wrong", "w\u00f6ng", "0" * 60000])
def test_form_without_the_sessions_token_is_refused(trader: Trader, token: str | None) -> None:
    trader.page()
    data = TRADE if token is None else {**TRADE, "csrf_token": token}

    answer = trader.client.post(trader.ledger, data=data, headers={"Accept": "text/html"})

    assert answer.status_code == 400
    assert "open the page again" in answer.text
    assert trader.trades() == []


def test_token_of_another_session_is_refused(
    trader: Trader, trades_app: Flask, trades_prefix: str
) -> None:
    trader.page()
    stolen = Trader(trades_app, trades_prefix).token()

    assert (
        trader.client.post(trader.ledger, data={**TRADE, "csrf_token": stolen}).status_code == 400
    )


def test_without_a_session_an_empty_token_is_refused(trader: Trader) -> None:
    assert trader.client.post(trader.ledger, data={**TRADE, "csrf_token": ""}).status_code == 400


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data", ""])
def test_api_takes_nothing_that_a_form_can_send(trader: Trader, content_type: str) -> None:
    body = b'{"symbol": "ACME"}'
    answer = trader.client.post(f"{trader.api}/trades", data=body, content_type=content_type)

    assert answer.status_code == 415
    assert trader.trades() == []


def test_deleted_trade_is_gone(trader: Trader) -> None:
    place = trader.send_json().location

    assert trader.client.delete(place).status_code == 204
    assert trader.client.get(place).status_code == 404
    assert trader.client.delete(place).status_code == 404


def test_page_deletes_with_the_sessions_token(trader: Trader) -> None:
    trader.send_json()
    url = f"{trader.ledger}1/delete"

    assert trader.client.post(url).status_code == 400
    answer = trader.client.post(url, data={"csrf_token": trader.token()})
    assert (answer.status_code, answer.location) == (303, trader.ledger)
    assert trader.trades() == []
    assert trader.client.post(url, data={"csrf_token": trader.token()}).status_code == 404


def test_equal_trades_have_numbers_without_gaps(trader: Trader) -> None:
    for _ in range(3):
        trader.send_json()
    trader.client.delete(f"{trader.api}/trades/1")
    trader.client.delete(f"{trader.api}/trades/2")

    with trader.app.app_context():
        assert db.session.scalars(select(Trade.occurrence)).all() == [1]
    assert trader.send_json().status_code == 201
