"""The JSON API: who may, what it says of itself, and that it keeps to that."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_utils.identity.testing import sign_in
from tests.apps.trades.trader import TRADE, Trader
from tests.openapi import CHECKS

OPERATIONS = [
    ("POST", "/trades"),
    ("GET", "/trades"),
    ("GET", "/trades/1"),
    ("DELETE", "/trades/1"),
    ("GET", "/trades.csv"),
    ("GET", "/positions"),
    ("POST", "/imports"),
    ("GET", "/imports/1"),
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_without_identity_nothing_is_told(
    trades_app: Flask, trades_prefix: str, method: str, path: str, accept: str
) -> None:
    stranger = Trader(trades_app, trades_prefix, name="")

    answer = stranger.client.open(
        stranger.api + path, method=method, json=TRADE, headers={"Accept": accept}
    )

    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].lower().startswith("bearer")


@pytest.mark.parametrize(("method", "path"), [*OPERATIONS, ("GET", "/openapi.json")])
def test_a_parameter_that_stands_twice_is_refused(trader: Trader, method: str, path: str) -> None:
    body = {"json": TRADE} if path == "/trades" else {"data": "x", "content_type": "text/csv"}
    for name, values in [("limit", ["1", "2"]), ("filename", ["a", "a"]), ("unknown", ["", ""])]:
        answer: Any = trader.client.open(
            trader.api + path,
            method=method,
            query_string={name: values, "side": "buy"},
            **body if method == "POST" else {},
        )

        assert answer.status_code == 422
        assert answer.mimetype == "application/problem+json"
        assert answer.json["errors"] == {name: "It stands twice; write it once."}
    assert trader.trades() == []


@pytest.mark.parametrize("place", ["", "x", "7", "9_", "0_1"])
def test_a_place_that_is_none_is_refused_by_name(trader: Trader, place: str) -> None:
    answer: Any = trader.client.get(f"{trader.api}/trades?before={place}").json

    assert answer["errors"] == {"before": "Take it from the link to older trades."}


@pytest.mark.parametrize(
    "limit", ["0", "501", "-1", "+1", "1.0", "\u0661", "0" * 8 + "10000", "9" * 9999]
)
def test_a_limit_out_of_bounds_is_refused_by_name(trader: Trader, limit: str) -> None:
    answer: Any = trader.client.get(f"{trader.api}/trades", query_string={"limit": limit}).json

    assert answer["errors"] == {"limit": "Write a whole number from 1 to 500."}


def test_any_name_of_a_file_that_is_taken_fits_into_a_url(trader: Trader) -> None:
    """gunicorn reads request lines of 4,094 bytes."""
    longest = "\N{GRINNING FACE}" * 250

    assert trader.send_file("x", longest).status_code == 202
    assert trader.send_file("x", longest + "x").status_code == 422
    assert len(f"POST {trader.api}/imports?filename={quote(longest)} HTTP/1.1\r\n") < 4000


def test_bearer_token_is_identity(trades_app: Flask, trades_prefix: str) -> None:
    stranger = Trader(trades_app, trades_prefix, name="")
    token = sign_in(trades_app, "ann")

    answer = stranger.client.get(
        f"{stranger.api}/trades", headers={"Authorization": f"Bearer {token}"}
    )

    assert answer.status_code == 200


def test_each_sees_their_own_alone(trader: Trader) -> None:
    place = trader.send_json().location
    job = trader.send_file("x").location
    bob = Trader(trader.app, trader.prefix, name="bob")

    assert bob.trades() == []
    assert "No trades yet." in bob.page().text
    assert bob.client.get(place).status_code == 404
    assert bob.client.delete(place).status_code == 404
    assert bob.client.get(job).status_code == 404
    assert bob.get(f"{bob.imports}1").status_code == 404
    assert bob.get(f"{bob.imports}1/progress").status_code == 404
    token = {"csrf_token": bob.token()}
    assert bob.client.post(f"{bob.ledger}1/delete", data=token).status_code == 404
    assert "ACME" not in bob.get(f"{bob.ledger}positions").text
    assert bob.client.get(f"{bob.api}/trades.csv").text.count("\n") == 1
    assert bob.client.get(f"{bob.api}/positions").json == {"positions": [], "realised": "0"}
    assert len(trader.trades()) == 1


@pytest.mark.parametrize("page", ["ledger/", "ledger/positions", "imports/", "imports/1"])
def test_pages_are_not_for_strangers(trades_app: Flask, trades_prefix: str, page: str) -> None:
    # Alone there is nowhere to sign in; in a row they lead there, as tests of identity show.
    stranger = Trader(trades_app, trades_prefix, name="")

    assert stranger.get(f"{stranger.prefix}/{page}").status_code == 401


def test_positions(trader: Trader) -> None:
    trader.send_json(quantity="10", price="2")
    trader.send_json(quantity="4", price="3.50", side="sell", traded_on="2024-05-07")
    trader.send_json(symbol="ZETA", quantity="3", price="1", side="sell")

    answer: Any = trader.client.get(f"{trader.api}/positions").json

    acme = {"symbol": "ACME", "quantity": "6", "cost": "12", "average": "2", "realised": "6"}
    zeta = {"symbol": "ZETA", "quantity": "-3", "cost": "-3", "average": "1", "realised": "0"}
    assert answer == {
        "positions": [{**acme, "trades": 2}, {**zeta, "trades": 1}],
        "realised": "6",
    }
    page = trader.get(f"{trader.ledger}positions").text
    assert '<span class="good">+6.00</span>' in page
    assert "-3 short" in page
    assert '<path class="line" d="M84' in page


def test_positions_page_of_nothing(trader: Trader) -> None:
    page = trader.get(f"{trader.ledger}positions").text

    assert "No positions yet." in page
    assert "<svg" not in page


def test_export_is_a_file_that_an_import_knows(trader: Trader) -> None:
    for number in range(5):
        trader.send_json(price=f"{number + 1}.5", symbol="ACME" if number else "ZETA")
    trader.send_json(price="2.5")

    file = trader.client.get(f"{trader.api}/trades.csv?symbol=ACME")

    assert file.mimetype == "text/csv"
    assert "attachment" in file.headers["Content-Disposition"]
    assert file.text.splitlines()[:2] == [
        "traded_on,symbol,side,quantity,price",
        "2024-05-06,ACME,buy,10,2.5",
    ]
    assert len(file.text.splitlines()) == 6
    again = trader.work(trader.send_file(file.data))
    assert (again["added"], again["known"], again["refused"]) == (0, 5, 0)


def test_export_has_every_trade_once(trader: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.trades.ledger.store._BATCH", 2)
    for number in range(5):
        trader.send_json(price=f"{5 - number}")

    file = trader.client.get(f"{trader.api}/trades.csv").text

    assert [line[-1] for line in file.splitlines()[1:]] == ["5", "4", "3", "2", "1"]


@pytest.mark.parametrize("in_front", ["", "/outer"])
def test_document_has_the_right_server(trader: Trader, in_front: str) -> None:
    for _ in range(2):  # what it answered first is not kept
        document: Any = trader.client.get(
            f"{trader.api}/openapi.json", base_url=f"https://example.org{in_front}"
        ).json
        assert document["servers"] == [{"url": f"{in_front}{trader.api}"}]
    plain: Any = trader.client.get(f"{trader.api}/openapi.json").json
    assert plain["servers"] == [{"url": trader.api}]
    assert sorted(plain["paths"]) == [
        *("/imports", "/imports/{import_id}", "/positions", "/trades", "/trades.csv"),
        "/trades/{trade_id}",
    ]


@pytest.mark.parametrize("served", [("", "sqlite"), ("", "postgresql")], indirect=True)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_api_keeps_to_its_document(trades_app: Flask, method: str, path: str) -> None:
    """Requests that are right and wrong in every way that the document lets one think of."""
    token = sign_in(trades_app, "ann")
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", trades_app)
    operation = schema[re.sub(r"/(\w+)s/1$", r"/\1s/{\1_id}", path)][method]
    modes = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE

    # The same requests each time: a search for others is for when there is time to look into them.
    @settings(max_examples=25, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes]))
    def keeps_to_it(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS)

    keeps_to_it()
