"""Reading the ledger: filters, pages, errors and links."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from apps.trades import create_app
from shared_utils.sibling import EXTENSION, Sibling
from tests.apps.trades.trader import Trader
from tests.street import next_door


def test_front_page_leads_to_the_ledger(trader: Trader) -> None:
    assert trader.get(f"{trader.prefix}/").location == trader.ledger


def test_empty_ledger_says_so(trader: Trader) -> None:
    assert "No trades yet." in trader.page().text
    assert trader.trades() == []


def test_newest_day_comes_first_and_within_it_the_last_recorded(trader: Trader) -> None:
    for day in ("2024-05-02", "2024-05-03", "2024-05-02"):
        trader.send_json(traded_on=day)

    assert [trade["id"] for trade in trader.trades()] == [2, 3, 1]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"symbol": "ACME"}, [3, 1]),
        ({"symbol": "acme"}, [3, 1]),
        ({"since": "2024-05-07"}, []),
        ({"since": "2024-05-06", "until": "2024-05-06"}, [3, 2, 1]),
        ({"until": "2024-05-05"}, []),
        ({"side": "sell"}, [3, 2]),
        ({"symbol": "ACME", "side": "sell"}, [3]),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_filters(trader: Trader, query: dict[str, str], ids: list[int]) -> None:
    trader.send_json(symbol="ACME", side="buy")
    trader.send_json(symbol="BRK.B", side="sell")
    trader.send_json(symbol="ACME", side="sell")

    assert [trade["id"] for trade in trader.trades(**query)] == ids
    assert trader.page(**query).text.count("<tr ") == (len(ids) + 1 if ids else 0)
    assert ("No trades match." in trader.page(**query).text) is (not ids)


def test_filter_is_shown_as_text(trader: Trader) -> None:
    page = trader.page(symbol='"><script>').text

    assert "<script" not in page
    assert 'value="&#34;&gt;&lt;script&gt;"' in page


@pytest.mark.parametrize(
    "query",
    [
        {"side": "hold"},
        {"side": "BUY"},
        {"before": ""},
        {"before": "x"},
        {"before": "-1"},
        {"before": "7"},
        {"before": "9" * 19},
        {"before": "9" * 9999},
    ],
    ids=lambda query: repr(query)[:24],
)
def test_query_that_no_page_of_ours_sends_is_refused(trader: Trader, query: dict[str, str]) -> None:
    assert trader.page(**query).status_code == 400


def test_older_leads_through_every_trade_once(trader: Trader) -> None:
    for day in (1, 2, 2, 2, 2, 3, 1):
        trader.send_json(traded_on=f"2024-05-0{day}", side="sell")
        trader.send_json(symbol="OTHER")
    seen: list[int] = []
    url: str | None = f"{trader.api}/trades?symbol=ACME&side=sell"
    while url:
        answer: Any = trader.client.get(url).json
        assert len(answer["trades"]) <= 3
        seen += [trade["id"] for trade in answer["trades"]]
        url = answer["older"]

    assert seen == [11, 9, 7, 5, 3, 13, 1]


def test_trade_recorded_meanwhile_does_not_shift_the_next_page(trader: Trader) -> None:
    for _ in range(5):
        trader.send_json()
    older = re.search(r'href="([^"]+)" rel="next">Older</a>', trader.page().text)
    assert older
    trader.send_json()

    page = trader.get(html.unescape(older[1])).text

    assert page.count("<b>ACME</b>") == 2
    assert ">Newest</a>" in page
    assert ">Older</a>" not in page


def test_page_that_is_just_full_has_no_older_one(trader: Trader) -> None:
    for _ in range(3):
        trader.send_json()

    assert "Older" not in trader.page().text


@pytest.mark.parametrize("trade_id", ["1", "0", "9" * 19, "9" * 5000])
def test_trade_that_is_not_there(trader: Trader, trade_id: str) -> None:
    assert trader.get(f"{trader.ledger}trades/{trade_id}.json").status_code == 404


def test_page_takes_no_script_and_no_other_host(trader: Trader) -> None:
    page = trader.page()

    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert not re.search(r"<script|style=|https?://|\son\w+=", page.text)


def test_every_link_on_the_page_works(trader: Trader) -> None:
    for _ in range(4):
        trader.send_json()
    links = set(re.findall(r'(?:href|src|action)="([^"#]+)"', trader.page().text))
    links = {html.unescape(link) for link in links if not link.endswith("/delete")}

    assert len(links) == 9
    for link in links:
        assert link.startswith(trader.prefix + "/")
        assert trader.get(link, follow_redirects=True).status_code == 200, link


def test_alone_there_is_no_link_to_the_portal(trader: Trader) -> None:
    assert "All apps" not in trader.page().text


@pytest.mark.parametrize("portal_prefix", ["/", "/portal"])
def test_in_a_row_there_is_a_link_to_the_portal(
    trader: Trader, trades_app: Flask, portal_prefix: str
) -> None:
    # As behind a proxy that adds what is in front of the app.
    row = {"home": next_door("home", state="lazy", prefix=portal_prefix)}
    trades_app.extensions[EXTENSION] = Sibling(name="trades", prefix="/trades", row=row, origins={})
    outer = trader.prefix.removesuffix("/trades")

    assert f'<a href="{outer}{portal_prefix.rstrip("/")}/">All apps</a>' in trader.page().text


def test_unknown_page_leads_back_to_the_ledger(trader: Trader) -> None:
    page = trader.get(f"{trader.prefix}/nothing")

    assert page.status_code == 404
    assert f'<a href="{trader.ledger}">Go to the ledger</a>' in page.text
    assert "Content-Security-Policy" in page.headers


def test_database_that_cannot_be_opened_is_told_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "trades.sqlite3").mkdir()
    url = f"sqlite:///{tmp_path / 'trades.sqlite3'}"
    app = create_app({"SECRET_KEY": "for tests", "DATABASE_URL": url})

    page = Trader(app, "/north").page()

    assert page.status_code == 500
    assert "sqlite" not in page.text
    assert "Go to the ledger" in page.text
