"""The apps in the row, as one of them shows them to people: a portal, a menu, a status line."""

from __future__ import annotations

import dataclasses

from flask import current_app

from shared_utils.links import front_door
from shared_utils.sibling import sibling_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One app of the row.

    Attributes:
        name: name of the mount.
        title: name for people.
        description: one line about what it is for.
        owner: team that owns it.
        contact: where to reach that team.
        state: ``up``, ``lazy``, ``starting``, ``down`` or ``maintenance``, in this worker process.
        url: link to its front page; None where it has no place.
        is_self: it is the app that asks.
    """

    name: str
    title: str
    description: str
    owner: str
    contact: str
    state: str
    url: str | None
    is_self: bool


def neighbours() -> list[Entry]:
    """Return every app of the row, by title; an app that is served alone has none."""
    sibling = sibling_of(current_app)
    return sorted(
        (
            Entry(
                name=neighbour.mount.name,
                title=neighbour.mount.title,
                description=neighbour.mount.description,
                owner=neighbour.mount.owner,
                contact=neighbour.mount.contact,
                state=neighbour.state,
                url=front_door(neighbour),
                is_self=neighbour.mount.name == sibling.name,
            )
            for neighbour in sibling.row.values()
        ),
        key=lambda entry: entry.title.casefold(),
    )
