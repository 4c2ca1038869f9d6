from __future__ import annotations

import time
from typing import Any

from flask import Flask

from shared_utils.hosting.mounted import Mounted
from shared_utils.hosting.settings.mounts import Mount
from shared_utils.hosting.settings.schema import Host
from shared_utils.hosting.walls.walls import Walls
from shared_utils.neighbours import Entry, neighbours
from shared_utils.sibling import EXTENSION, Sibling


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


def mounted(name: str, prefix: str | None, **facts: Any) -> Mounted:
    facts = {"title": name, **facts}
    mount = Mount(name=name, prefix=prefix, target="x:y", **facts)
    return Mounted(mount, walls=Walls.around([mount], Host()), wake=lambda mounted: None)


def app(row: dict[str, Mounted]) -> Flask:
    made = Flask("trades", root_path="/")
    made.extensions[EXTENSION] = Sibling(name="trades", prefix="/trades", row=row, origins={})
    return made


def test_every_app_of_the_row_by_title() -> None:
    row = {
        "home": mounted("home", "/", title="portal"),
        "trades": mounted("trades", "/trades", title="Trades", owner="o", contact="c"),
        "blog": mounted("blog", None, title="Áblog"),
        "lazy": mounted("lazy", "/lazy", title="a lazy one", load="lazy", description="d"),
    }
    row["trades"].up(wsgi, 0)
    row["blog"].down("X", time.monotonic())
    with app(row).test_request_context("/", base_url="http://localhost/p/trades"):
        found = neighbours()
    assert [entry.title for entry in found] == ["a lazy one", "portal", "Trades", "Áblog"]
    assert {entry.name: (entry.state, entry.url) for entry in found} == {
        "home": ("starting", "/p/"),
        "trades": ("up", "/p/trades/"),
        "blog": ("down", None),
        "lazy": ("lazy", "/p/lazy/"),
    }
    assert found[2] == Entry(
        name="trades",
        title="Trades",
        description="",
        owner="o",
        contact="c",
        state="up",
        url="/p/trades/",
        is_self=True,
    )


def test_an_app_alone_has_none() -> None:
    with app({}).test_request_context("/"):
        assert neighbours() == []
