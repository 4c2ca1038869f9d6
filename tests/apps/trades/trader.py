"""A person, or a program, that uses the app."""

from __future__ import annotations

import html
import re
from typing import Any

from flask import Flask
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, TestResponse

from apps.trades.imports.tasks import run
from shared_utils.identity.testing import sign_in

TRADE = {
    "symbol": "ACME",
    "side": "buy",
    "quantity": "10",
    "price": "12.5",
    "traded_on": "2024-05-06",
}


class Trader:
    """A client of the app, which is served under ``prefix``; signed in, but for ``name=""``."""

    def __init__(self, app: Flask, prefix: str, name: str = "ann") -> None:
        self.client = Client(DispatcherMiddleware(NotFound(), {prefix: app}))
        self.app = app
        self.ledger = f"{prefix}/ledger/"
        self.imports = f"{prefix}/imports/"
        self.api = f"{prefix}/api/v1"
        self.prefix = prefix
        if name:
            sign_in(self.client, name, app=app)

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        """Read any path to its end, as a browser does."""
        return self.client.get(path, buffered=True, headers={"Accept": "text/html"}, **kwargs)

    def page(self, **query: str) -> TestResponse:
        """Read the page of the ledger, as a browser does."""
        return self.get(self.ledger, query_string=query)

    def token(self, path: str = "") -> str:
        """Read the token out of a page's form."""
        text = self.get(path or self.ledger).text
        found = re.search(r'name="csrf_token" value="([^"]+)"', text)
        assert found
        return html.unescape(found[1])

    def send_form(self, **fields: str) -> TestResponse:
        """Send the page's form: a sound trade, but for the fields given."""
        data = {"csrf_token": self.token(), **TRADE, **fields}
        return self.client.post(self.ledger, data=data, headers={"Accept": "text/html"})

    def send_json(self, **fields: object) -> TestResponse:
        """Send JSON: a sound trade, but for the fields given."""
        return self.client.post(f"{self.api}/trades", json={**TRADE, **fields})

    def trades(self, **query: str) -> list[dict[str, Any]]:
        """Read the trades as JSON."""
        answer = self.client.get(f"{self.api}/trades", query_string=query)
        assert answer.json is not None, answer.text
        trades: list[dict[str, Any]] = answer.json["trades"]
        return trades

    def send_file(self, text: str | bytes, filename: str = "trades.csv") -> TestResponse:
        """Send a file to the API."""
        return self.client.post(
            f"{self.api}/imports",
            data=text.encode() if isinstance(text, str) else text,
            content_type="text/csv",
            query_string={"filename": filename},
        )

    def work(self, answer: TestResponse) -> dict[str, Any]:
        """Do the import that was begun, as a worker does; return how it went."""
        assert answer.status_code == 202, answer.text
        assert answer.json is not None
        with self.app.app_context():
            run(answer.json["id"])
        made: dict[str, Any] | None = self.client.get(answer.location).json
        assert made is not None
        return made
