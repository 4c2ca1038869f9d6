"""A person, or a program, that uses the app."""

from __future__ import annotations

import html
import re
from typing import Any

from flask import Flask
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, TestResponse

TRADE = {
    "symbol": "ACME",
    "side": "buy",
    "quantity": "10",
    "price": "12.50",
    "traded_on": "2024-05-06",
}


class Trader:
    """A client of the app, which is served under ``prefix``."""

    def __init__(self, app: Flask, prefix: str) -> None:
        self.client = Client(DispatcherMiddleware(NotFound(), {prefix: app}))
        self.ledger = f"{prefix}/ledger/"
        self.prefix = prefix

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        """Read any path to its end, as a browser does."""
        return self.client.get(path, buffered=True, headers={"Accept": "text/html"}, **kwargs)

    def page(self, **query: str) -> TestResponse:
        """Read the page of the ledger, as a browser does."""
        return self.get(self.ledger, query_string=query)

    def token(self) -> str:
        """Read the token out of the page's form."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.page().text)
        assert found
        return html.unescape(found[1])

    def send_form(self, **fields: str) -> TestResponse:
        """Send the page's form: a sound trade, but for the fields given."""
        data = {"csrf_token": self.token(), **TRADE, **fields}
        return self.client.post(self.ledger, data=data, headers={"Accept": "text/html"})

    def send_json(self, **fields: object) -> TestResponse:
        """Send JSON: a sound trade, but for the fields given."""
        return self.client.post(self.ledger, json={**TRADE, **fields})

    def trades(self, **query: str) -> list[dict[str, Any]]:
        """Read the trades as JSON."""
        answer = self.client.get(f"{self.ledger}trades.json", query_string=query)
        assert answer.json is not None
        trades: list[dict[str, Any]] = answer.json["trades"]
        return trades
