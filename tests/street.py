"""A row to put an app into: mounts as their neighbours see them."""

from __future__ import annotations

import dataclasses

from flask import Flask


@dataclasses.dataclass(frozen=True, kw_only=True)
class House:
    """A mount, as the manifest of a team describes it."""

    name: str
    prefix: str | None
    title: str = ""
    description: str = ""
    owner: str = ""
    contact: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Next:
    """A neighbour."""

    mount: House
    state: str = "up"
    is_built: bool = True
    flask_app: Flask | None = None


def next_door(name: str, *, state: str = "up", prefix: str | None = "", **told: str) -> Next:
    """Make a neighbour: ``next_door("shop", state="down", title="Shop")``."""
    prefix = f"/{name}" if prefix == "" else prefix
    mount = House(name=name, prefix=prefix, **told)
    return Next(mount=mount, state=state, is_built=state == "up")
