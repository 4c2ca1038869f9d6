"""What an app knows of its place in the row: its own mount, and its neighbours.

The host lays it into ``app.extensions["rowhouse"]``; apps read it through ``shared_utils.links``
and ``shared_utils.neighbours``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from flask import Flask

EXTENSION = "rowhouse"

IDENTITY_COOKIE = "rowhouse_identity"
"""The cookie that says who is signed in; the wall has an eye on it."""
IDENTITY_ISSUER = "accounts"
"""Name of the mount that may set it, where the operator says nothing else."""
PORTAL = "home"
"""Name of the mount that shows all others."""


class Described(Protocol):
    """What a mount's settings say to people."""

    @property
    def name(self) -> str:
        """Name of the mount."""

    @property
    def prefix(self) -> str | None:
        """Where it is mounted, decoded; None where it could not be given a place."""

    @property
    def title(self) -> str:
        """Name for people."""

    @property
    def description(self) -> str:
        """One line about what it is for."""

    @property
    def owner(self) -> str:
        """Team that owns it."""

    @property
    def contact(self) -> str:
        """Where to reach that team."""


class Neighbour(Protocol):
    """One mount as its neighbours see it; what can change does so while it is looked at."""

    @property
    def mount(self) -> Described:
        """Its settings."""

    @property
    def state(self) -> str:
        """``up``, ``lazy``, ``starting``, ``down`` or ``maintenance``, in this worker process."""

    @property
    def is_built(self) -> bool:
        """Whether the application, of whatever kind, is built."""

    @property
    def flask_app(self) -> Flask | None:
        """The built Flask app; None while it is not built, or where it is of another kind."""


class Inspected(Protocol):
    """This process as the operator's console sees it (:mod:`shared_utils.operations`)."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def folder(self) -> Path:
        """Where all workers of the host can be asked."""

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a question as it is answered over a worker's socket."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sibling:
    """An app's place in the row.

    Attributes:
        name: its mount's name.
        prefix: where it is mounted, decoded; "/" when it is served alone.
        row: every mount of the host by name; empty when it is served alone.
        origins: the layer that each config key came from.
        title: its mount's name for people.
        issuer: name of the mount that signs people in; empty where there is none.
        host: the process that serves it, to be asked; None when it is served alone.
    """

    name: str
    prefix: str
    row: Mapping[str, Neighbour]
    origins: Mapping[str, str]
    title: str = ""
    issuer: str = IDENTITY_ISSUER
    host: Inspected | None = None


def sibling_of(app: Flask) -> Sibling:
    """Return the place of ``app`` in the row.

    Raises:
        LookupError: the app was not configured by ``configure_app``.
    """
    sibling = app.extensions.get(EXTENSION)
    if not isinstance(sibling, Sibling):
        raise LookupError(
            f"the app {app.name!r} does not know its mount; "
            "call configure_app(app) from config.py in its create_app()"
        )
    return sibling
