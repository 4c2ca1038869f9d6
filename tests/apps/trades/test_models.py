"""The database: made by migrations, and written by several at once."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from apps.trades import create_app
from apps.trades.database import db
from apps.trades.ledger import forms, store
from shared_utils.database import migrations, upgrade
from tests import databases
from tests.apps.trades.trader import TRADE, Trader
from tests.processes import at_once

RECORD_TEN = """
import sys
from apps.trades import create_app
from shared_utils.database import upgrade
from shared_utils.identity.testing import sign_in
app = create_app({"SECRET_KEY": "for tests", "DATABASE_URL": sys.argv[1]})
trade = {"symbol": "ACME", "side": "buy", "quantity": "1", "price": "1", "traded_on": "2024-05-06"}
print("ready", flush=True)
sys.stdin.readline()
upgrade(app)
client = app.test_client()
sign_in(client, "ann")
print([client.post("/api/v1/trades", json=trade).status_code for _ in range(10)])
"""

BEFORE_MIGRATIONS = """
    CREATE TABLE trade (
        id INTEGER PRIMARY KEY,
        symbol TEXT NOT NULL,
        side TEXT NOT NULL,
        quantity TEXT NOT NULL,
        price TEXT NOT NULL,
        traded_on TEXT NOT NULL
    );
    CREATE INDEX trade_newest ON trade (traded_on, id);
    CREATE INDEX trade_symbol_newest ON trade (symbol, traded_on, id);
    INSERT INTO trade VALUES (2, 'ACME', 'buy', '10', '12.50', '2024-05-06');
    INSERT INTO trade VALUES (4, 'ACME', 'buy', '10.0', '12.5', '2024-05-06');
    INSERT INTO trade VALUES (7, 'BRK.B', 'sell', '0.00000001', '123456789012.12345678',
                              '2024-05-07');
"""


def test_nothing_is_made_until_it_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "trades.sqlite3"
    app = create_app({"SECRET_KEY": "for tests", "DATABASE_URL": f"sqlite:///{file}"})

    assert app.test_client().get("/-/live").status_code == 200
    assert not file.exists()


def test_models_want_what_the_migrations_make(trades_app: Flask) -> None:
    assert migrations.revision(trades_app, "nothing") is None


def test_two_threads_write_at_once(trades_app: Flask, trades_prefix: str) -> None:
    both_ready = threading.Barrier(2, timeout=30)

    def write(symbol: str) -> set[int]:
        trader = Trader(trades_app, trades_prefix)
        both_ready.wait()
        return {trader.send_json(symbol=symbol).status_code for _ in range(25)}

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(write, ["ONE", "TWO"])) == [{201}, {201}]

    with trades_app.app_context():
        stored = [trade.symbol for trade in store.newest("ann", store.Filter(), size=100).trades]
    assert (stored.count("ONE"), stored.count("TWO")) == (25, 25)


@databases.on_each
def test_several_processes_make_the_database_at_once(database_url: str) -> None:
    with at_once(3, RECORD_TEN, database_url) as writers:
        said = [writer.communicate(timeout=60)[0] for writer in writers]

    assert said == [f"{[201] * 10}\n"] * 3


def test_each_user_has_trades_of_their_own(trades_app: Flask) -> None:
    with trades_app.app_context():
        of_ann = store.add("7", forms.read(TRADE))
        assert store.find("7", of_ann.id)
        assert store.find("8", of_ann.id) is None
        assert [trade.id for trade in store.newest("7", store.Filter(), size=9).trades] == [
            of_ann.id
        ]
        assert store.newest("8", store.Filter(), size=9).trades == []


def test_an_id_is_not_given_twice(trades_app: Flask) -> None:
    with trades_app.app_context():
        first = store.add("7", forms.read(TRADE))
        with db.write() as session:
            session.delete(first)
        assert store.add("7", forms.read(TRADE)).id > first.id


@pytest.mark.parametrize("write_ahead", [True, False])
def test_a_file_from_before_migrations_is_taken_over(tmp_path: Path, write_ahead: bool) -> None:
    file = tmp_path / "trades.sqlite3"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        if write_ahead:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(BEFORE_MIGRATIONS)
    app = create_app({"SECRET_KEY": "for tests", "DATABASE_URL": f"sqlite:///{file}"})

    upgrade(app)

    with app.app_context():
        trades = store.newest("", store.Filter(), size=9).trades
        assert [(trade.id, trade.terms, trade.occurrence) for trade in trades] == [
            (7, "sell 0.00000001 at 123456789012.12345678", 1),
            (4, "buy 10 at 12.5", 2),
            (2, "buy 10 at 12.5", 1),
        ]
        assert store.add("", forms.read(TRADE)).id == 8
        names = "SELECT name FROM sqlite_schema WHERE tbl_name = 'trade'"
        assert set(db.session.scalars(text(names))) == {
            "ix_trade_owner_newest",
            "sqlite_autoindex_trade_1",
            "trade",
        }
        db.engine.dispose()
    assert migrations.revision(app, "nothing") is None
