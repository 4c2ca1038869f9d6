from __future__ import annotations

import re
import time
from typing import Any

import pytest
from flask import Flask

from shared_utils.hosting.mounted import Mounted
from shared_utils.hosting.settings.mounts import Mount
from shared_utils.hosting.settings.schema import Host
from shared_utils.hosting.walls.walls import Walls
from shared_utils.links import LinkError, mount_url
from shared_utils.sibling import EXTENSION, Sibling


def app(name: str) -> Flask:
    made = Flask(name, root_path="/", static_folder=None)
    made.add_url_rule("/", "index")
    made.add_url_rule("/<int:year>/<word>", "archive")
    made.add_url_rule("/post", "post", methods=["POST"])
    made.add_url_rule("/of/<name>/<endpoint>", "of")
    return made


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


class Row:
    """Mounts of a row, as an app in it sees them."""

    def __init__(self) -> None:
        self.mounts: dict[str, Mounted] = {}
        self.apps: dict[str, Flask] = {}

    def add(self, name: str, prefix: str | None, load: str = "eager") -> Mounted:
        mount = Mount(name=name, prefix=prefix, target="x:y", title=name, load=load)
        self.mounts[name] = Mounted(
            mount, walls=Walls.around([mount], Host()), wake=lambda mounted: None
        )
        return self.mounts[name]

    def up(self, name: str, prefix: str) -> Flask:
        made = app(name)
        made.extensions[EXTENSION] = Sibling(name=name, prefix=prefix, row=self.mounts, origins={})
        self.add(name, prefix).up(made, 0)
        self.apps[name] = made
        return made


@pytest.fixture
def row() -> Row:
    made = Row()
    made.up("home", "/")
    made.up("trades", "/trades")
    made.up("cafe", "/café/x")
    made.add("down", "/down").down("X", time.monotonic())
    made.add("lazy", "/lazy", "lazy")
    made.add("wiki", "/wiki").up(wsgi, 0)
    made.add("nowhere", None).down("X", time.monotonic())
    return made


def link(row: Row, *given: Any, by: str = "trades", outer: str = "", **values: Any) -> str | None:
    prefix = row.mounts[by].mount.prefix or ""
    with row.apps[by].test_request_context(
        "/", base_url=f"https://h.example{outer}{prefix.rstrip('/')}"
    ):
        return mount_url(*given, **values)


@pytest.mark.parametrize("by", ["home", "trades", "cafe"])
@pytest.mark.parametrize("outer", ["", "/proxy", "/prö/xy", "/trades"])
@pytest.mark.parametrize(
    ("given", "values", "expected"),
    [
        pytest.param(["trades"], {}, "/trades/", id="front-page"),
        pytest.param(["home"], {}, "/", id="root"),
        pytest.param(["cafe"], {}, "/caf%C3%A9/x/", id="not-ascii"),
        pytest.param(["trades", "index"], {}, "/trades/", id="endpoint"),
        pytest.param(["home", "index"], {}, "/", id="root-endpoint"),
        pytest.param(["cafe", "post"], {}, "/caf%C3%A9/x/post", id="not-ascii-endpoint"),
        pytest.param(
            ["trades", "archive"], {"year": 9, "word": "a b"}, "/trades/9/a%20b", id="values"
        ),
        pytest.param(["trades", "index"], {"q": "x&y"}, "/trades/?q=x%26y", id="query"),
        pytest.param(["home", "post"], {}, "/post", id="root-post"),
        pytest.param(["trades", "index"], {"_anchor": "a"}, "/trades/#a", id="anchor"),
        pytest.param(["trades"], {"_anchor": "a"}, "/trades/#a", id="front-page-anchor"),
        pytest.param(["down", "any.thing"], {"x": 1}, "/down/", id="down"),
        pytest.param(["lazy", "any.thing"], {}, "/lazy/", id="lazy"),
        pytest.param(["down"], {}, "/down/", id="down-front-page"),
        pytest.param(["wiki"], {}, "/wiki/", id="other-wsgi"),
    ],
)
def test_links_are_right_from_everywhere(
    row: Row, by: str, outer: str, given: list[str], values: dict[str, Any], expected: str
) -> None:
    before = {"": "", "/proxy": "/proxy", "/prö/xy": "/pr%C3%B6/xy", "/trades": "/trades"}[outer]
    assert link(row, *given, by=by, outer=outer, **values) == before + expected


@pytest.mark.parametrize(
    ("given", "values", "expected"),
    [
        pytest.param(["trades"], {}, "https://h.example/p/trades/", id="front-page"),
        pytest.param(["trades", "index"], {}, "https://h.example/p/trades/", id="endpoint"),
        pytest.param(["down", "x"], {}, "https://h.example/p/down/", id="down"),
        pytest.param(
            ["trades", "index"], {"_scheme": "http"}, "http://h.example/p/trades/", id="scheme"
        ),
        pytest.param(["trades"], {"_scheme": "http"}, "http://h.example/p/trades/", id="front"),
        pytest.param(["home"], {"_anchor": "x"}, "https://h.example/p/#x", id="anchor"),
    ],
)
def test_external_links(row: Row, given: list[str], values: dict[str, Any], expected: str) -> None:
    assert link(row, *given, outer="/p", _external=True, **values) == expected


@pytest.mark.parametrize("given", [["trades", "index"], ["trades"]])
def test_a_scheme_makes_a_link_external_as_in_url_for(row: Row, given: list[str]) -> None:
    assert link(row, *given, _scheme="http") == "http://h.example/trades/"


@pytest.mark.parametrize("given", [["trades", "index"], ["trades"]])
def test_an_anchor_is_quoted_as_in_url_for(row: Row, given: list[str]) -> None:
    assert link(row, *given, _anchor="a/b:c d") == "/trades/#a/b:c%20d"


def test_values_may_have_any_name(row: Row) -> None:
    assert link(row, "home", "of", **{"name": "n", "endpoint": "e"}) == "/of/n/e"


@pytest.mark.parametrize("name", ["unknown", "nowhere"])
def test_an_app_without_a_place_has_no_link(row: Row, name: str) -> None:
    assert link(row, name) is None
    assert link(row, name, "index") is None


@pytest.mark.parametrize(
    ("given", "values", "message"),
    [
        pytest.param(
            ["home", "indx"], {}, "home has no endpoint 'indx'; write 'index'", id="nearest"
        ),
        pytest.param(["home", "zzz"], {}, "one of ['archive', 'index', 'of', 'post']", id="all"),
        pytest.param(
            ["home", "archive"],
            {"year": 9},
            "home cannot build 'archive' from the values ['year']; its rules take ['word', 'year']",
            id="values",
        ),
        pytest.param(
            ["wiki", "index"],
            {},
            "wiki is not a Flask app and has no endpoint 'index'; "
            'write mount_url("wiki") for its front page',
            id="other-wsgi",
        ),
    ],
)
def test_a_wrong_link_says_what_to_write(
    row: Row, given: list[str], values: dict[str, Any], message: str
) -> None:
    with pytest.raises(LinkError, match=re.escape(message)):
        link(row, *given, **values)


def test_outside_of_a_request_links_have_the_prefix_alone(row: Row) -> None:
    with row.apps["trades"].app_context():
        assert mount_url("home", "post") == "/post"
        assert mount_url("cafe") == "/caf%C3%A9/x/"


def test_the_current_app_may_be_another_than_the_one_asked(row: Row) -> None:
    with row.apps["home"].test_request_context("/"):
        assert mount_url("trades", "post") == "/trades/post"


# Alone.


@pytest.fixture
def single() -> Flask:
    made = app("trades")
    made.extensions[EXTENSION] = Sibling(name="trades", prefix="/", row={}, origins={})
    return made


@pytest.mark.parametrize(
    ("outer", "given", "values", "expected"),
    [
        pytest.param("", ["home"], {}, None, id="neighbour"),
        pytest.param("", ["home", "index"], {}, None, id="neighbours-endpoint"),
        pytest.param("", ["trades"], {}, "/", id="front-page"),
        pytest.param("", ["trades", "post"], {}, "/post", id="endpoint"),
        pytest.param("/p", ["trades"], {}, "/p/", id="proxy"),
        pytest.param("/p", ["trades", "post"], {}, "/p/post", id="proxy-endpoint"),
        pytest.param("/é", ["trades", "post"], {}, "/%C3%A9/post", id="not-ascii-endpoint"),
        pytest.param("/é", ["trades"], {}, "/%C3%A9/", id="not-ascii"),
        pytest.param("", ["trades"], {"_anchor": "x"}, "/#x", id="anchor"),
        pytest.param("", ["trades"], {"_external": True}, "http://localhost/", id="external"),
    ],
)
def test_an_app_alone(
    single: Flask, outer: str, given: list[str], values: dict[str, Any], expected: str | None
) -> None:
    with single.test_request_context("/", base_url=f"http://localhost{outer}"):
        assert mount_url(*given, **values) == expected


def test_an_app_that_does_not_know_its_mount_is_told_what_to_call() -> None:
    with app("x").app_context(), pytest.raises(LookupError, match="call configure_app"):
        mount_url("home")
