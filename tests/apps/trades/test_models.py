"""The database: made on first use, and written by several at once."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask

from apps.trades.ledger import models
from tests.apps.trades.trader import Trader

PROJECT = Path(__file__).parents[3]

RECORD_TEN = """
import sys
from apps.trades import create_app
client = create_app({"SECRET_KEY": "for tests", "DATABASE": sys.argv[1]}).test_client()
trade = {"symbol": "ACME", "side": "buy", "quantity": "1", "price": "1", "traded_on": "2024-05-06"}
print("ready", flush=True)
sys.stdin.readline()
print([client.post("/ledger/", json=trade).status_code for _ in range(10)])
"""


def test_nothing_is_made_until_it_is_needed(trades_app: Flask, trades_database: Path) -> None:
    assert trades_app.test_client().get("/-/live").status_code == 200
    assert not trades_database.exists()


def test_file_is_in_write_ahead_mode_and_holds_text(trader: Trader, trades_database: Path) -> None:
    trader.send_json(price="0.10")

    with contextlib.closing(sqlite3.connect(trades_database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("SELECT price, quantity FROM trade").fetchone() == ("0.10", "10")


def test_two_threads_write_at_once(trades_app: Flask, trades_prefix: str) -> None:
    both_ready = threading.Barrier(2, timeout=30)

    def write(symbol: str) -> set[int]:
        trader = Trader(trades_app, trades_prefix)
        both_ready.wait()
        return {trader.send_json(symbol=symbol).status_code for _ in range(25)}

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(write, ["ONE", "TWO"])) == [{201}, {201}]

    with trades_app.app_context():
        stored = [trade.symbol for trade in models.newest(size=100).trades]
    assert (stored.count("ONE"), stored.count("TWO")) == (25, 25)


def test_several_processes_make_the_database_at_once(tmp_path: Path) -> None:
    database = tmp_path / "trades.sqlite3"
    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-W", "error", "-c", RECORD_TEN, str(database)],
                    cwd=PROJECT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(4)
        ]
        for writer in writers:
            assert writer.stdout
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin
            writer.stdin.write("go\n")
            writer.stdin.flush()
        said = [writer.communicate(timeout=60)[0] for writer in writers]

    assert said == [f"{[201] * 10}\n"] * 4


def test_connection_is_closed_with_the_request(trades_app: Flask) -> None:
    with trades_app.test_request_context():
        models.newest(size=1)
        connection = models._connection()

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
