"""Somebody who visits the portal among its neighbours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.test import Client, TestResponse


class Visitor(Client):
    """A client that reads each answer to its end, as a browser does."""

    def open(
        self, *args: Any, buffered: bool = True, follow_redirects: bool = False, **kwargs: Any
    ) -> TestResponse:
        return super().open(*args, buffered=buffered, follow_redirects=follow_redirects, **kwargs)


PortalAmong = Callable[..., Client]
"""Give the portal those neighbours."""
