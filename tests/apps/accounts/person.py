"""A person with a browser, or a program, that uses the app."""

from __future__ import annotations

import html
import re
from typing import Any

from flask import Flask
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, TestResponse

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PASSWORD = "correct horse battery"


class Person:
    """A client of the app, which is served under ``prefix``."""

    def __init__(self, app: Flask, prefix: str, address: str = "192.0.2.1") -> None:
        self.client = Client(DispatcherMiddleware(NotFound(), {prefix: app}))
        self.prefix = prefix
        self.address = {"REMOTE_ADDR": address}

    def get(self, path: str = "/", **query: str) -> TestResponse:
        return self.client.get(
            self.prefix + path, query_string=query, headers=PAGE, environ_base=self.address
        )

    def send(self, path: str, **fields: str) -> TestResponse:
        """Open a page and send its form; a field ``csrf_token`` takes the place of its own."""
        return self.post(path, **{"csrf_token": self.form_token(path), **fields})

    def form_token(self, path: str) -> str:
        """Return the token that the form of a page has; empty where there is no form."""
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.get(path).text)
        return html.unescape(found[1]) if found else ""

    def post(self, path: str, **fields: str) -> TestResponse:
        return self.client.post(
            self.prefix + path, data=fields, headers=PAGE, environ_base=self.address
        )

    def sign_up(self, name: str = "ann", password: str = PASSWORD, **more: str) -> TestResponse:
        fields = {"name": name, "password": password, "again": password}
        return self.send("/sign-up", **fields | more)

    def sign_in(self, name: str = "ann", password: str = PASSWORD, **more: str) -> TestResponse:
        return self.send("/sign-in", name=name, password=password, **more)

    def change_password(self, current: str, new: str, **more: str) -> TestResponse:
        return self.send("/password", **{"current": current, "password": new, "again": new} | more)

    def token(self, **sent: Any) -> TestResponse:
        return self.client.post(f"{self.prefix}/api/v1/token", json=sent, environ_base=self.address)

    @property
    def identity(self) -> str | None:
        """The cookie that every app gets."""
        cookie = self.client.get_cookie("rowhouse_identity")
        return cookie.value if cookie else None

    @property
    def is_signed_in(self) -> bool:
        return "Your account" in self.get().text
