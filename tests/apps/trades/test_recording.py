"""Recording trades by form and by JSON, at the root and under a prefix."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.apps.trades.trader import TRADE, Trader

HOSTILE = "<script>alert(1)</script>'\"; DROP TABLE trade; --"


def test_form_leads_back_to_the_ledger_which_shows_the_trade(trader: Trader) -> None:
    answer = trader.send_form(price="00012.50")

    assert (answer.status_code, answer.location) == (303, trader.ledger)
    page = trader.page().text
    assert "Recorded: buy 10 ACME at 12.50." in page
    assert "<b>ACME</b>" in page
    assert "Recorded:" not in trader.page().text, "said once"


def test_json_is_answered_with_the_trade_and_its_place(trader: Trader) -> None:
    answer = trader.send_json()

    assert answer.status_code == 201
    assert answer.location == f"{trader.ledger}trades/1.json"
    assert answer.json == {"id": 1, **TRADE}
    assert trader.get(answer.location).json == answer.json


def test_json_numbers_stay_exact(trader: Trader) -> None:
    body = (
        b'{"symbol": "ACME", "side": "buy", "quantity": 0.00000001,'
        b' "price": 123456789012.12345678, "traded_on": "2024-05-06"}'
    )
    answer = trader.client.post(trader.ledger, data=body, content_type="application/json")

    assert answer.json is not None
    assert answer.json["quantity"] == "0.00000001"
    assert answer.json["price"] == "123456789012.12345678"
    assert '<td class="number">0.00000001</td>' in trader.page().text


def test_form_with_mistakes_comes_back_as_it_was_filled_in(trader: Trader, tomorrow: str) -> None:
    answer = trader.send_form(symbol="acme", quantity="-3", side="sell", traded_on=tomorrow)

    assert answer.status_code == 422
    assert "Nothing was recorded." in answer.text
    assert 'value="acme"' in answer.text
    assert 'id="symbol-error">Symbol: write 1 to 12 capital letters' in answer.text
    assert 'id="quantity-error">Quantity: write a number above 0' in answer.text
    assert 'id="traded_on-error">Date: choose today' in answer.text
    assert 'id="price-error"' not in answer.text
    assert '<option value="sell" selected>' in answer.text
    assert trader.trades() == []


def test_json_with_mistakes_is_answered_with_all_of_them(trader: Trader) -> None:
    answer = trader.send_json(symbol="acme", price=-1)

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


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff",
        b"[" * 60000,
        b'{"price": ' + b"1" * 60000 + b"",
    ],
    ids=lambda body: repr(body)[:16],
)
def test_body_that_is_no_json_object_is_refused(trader: Trader, body: bytes) -> None:
    answer = trader.client.post(trader.ledger, data=body, content_type="application/json")

    assert answer.status_code == 400
    assert answer.mimetype == "application/problem+json"
    assert trader.trades() == []


def test_odd_values_in_json_are_refused(trader: Trader) -> None:
    body = (
        b'{"symbol": "\\ud800", "side": {"a": 1}, "quantity": NaN,'
        b' "price": 1e999999, "traded_on": 0}'
    )

    answer = trader.client.post(trader.ledger, data=body, content_type="application/json")

    assert answer.status_code == 422
    assert answer.json is not None
    assert len(answer.json["errors"]) == 5


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
def test_huge_body_is_refused(trader: Trader, content_type: str) -> None:
    answer = trader.client.post(trader.ledger, data=b"a" * 65537, content_type=content_type)

    assert answer.status_code == 413
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
def test_only_json_needs_no_token(trader: Trader, content_type: str) -> None:
    answer = trader.client.post(trader.ledger, data=b'{"symbol": 1}', content_type=content_type)

    assert answer.status_code == 400
