"""A row to put the portal into, and somebody who visits it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from flask import Flask
from werkzeug.test import Client, TestResponse


@dataclasses.dataclass(frozen=True, kw_only=True)
class House:
    """A mount, as the manifest of another team describes it."""

    name: str
    prefix: str | None
    title: str = "A title"
    description: str = ""
    owner: str = ""
    contact: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Next:
    """A neighbour of the portal."""

    mount: House
    state: str = "up"
    is_built: bool = True
    flask_app: Flask | None = None


class Visitor(Client):
    """A client that reads each answer to its end, as a browser does."""

    def open(
        self, *args: Any, buffered: bool = True, follow_redirects: bool = False, **kwargs: Any
    ) -> TestResponse:
        return super().open(*args, buffered=buffered, follow_redirects=follow_redirects, **kwargs)


def next_door(name: str, *, state: str = "up", prefix: str | None = "", **told: str) -> Next:
    """Make a neighbour: ``next_door("shop", state="down", title="Shop")``."""
    prefix = f"/{name}" if prefix == "" else prefix
    mount = House(name=name, prefix=prefix, **told)
    return Next(mount=mount, state=state, is_built=state == "up")


PortalAmong = Callable[..., Client]
"""Give the portal those neighbours."""
