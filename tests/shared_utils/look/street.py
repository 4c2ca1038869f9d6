"""A row to put an app into."""

from __future__ import annotations

import dataclasses

from flask import Flask


@dataclasses.dataclass(frozen=True, kw_only=True)
class House:
    """A mount's settings."""

    name: str
    prefix: str | None
    title: str = ""
    description: str = ""
    owner: str = ""
    contact: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Next:
    """A mount as its neighbours see it."""

    mount: House
    state: str = "up"
    is_built: bool = True
    flask_app: Flask | None = None
