from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from shared_utils.hosting.dispatching import BoundedDispatcher

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Seen = tuple[str, str, str]


def named(name: str) -> Callable[..., Any]:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[Any]:
        return [(name, environ["SCRIPT_NAME"], environ["PATH_INFO"])]

    return app


def seen(app: WSGIApplication, environ: dict[str, str]) -> Seen:
    [found] = app(environ, lambda *_: lambda _: None)
    assert isinstance(found, tuple)
    return found


def asked(mounts: Iterable[str], environ: dict[str, str]) -> tuple[Seen, Seen]:
    """Return what Werkzeug's dispatcher answers, and what ours does."""
    apps: dict[str, Any] = {name: named(name or "root") for name in mounts}
    theirs = DispatcherMiddleware(named("default"), dict(apps))
    ours = BoundedDispatcher(named("default"), apps)
    return seen(theirs, dict(environ)), seen(ours, dict(environ))


segments = st.sampled_from(["", "a", "b", "bx", "-", "cafÃ©", "a/b", "*", "%2F", "é"])
paths = st.lists(segments, max_size=6).map("/".join) | st.text(max_size=12)
mount_names = st.lists(segments, min_size=1, max_size=4).map("/".join) | paths


@given(
    st.sets(mount_names, min_size=1, max_size=5),
    paths,
    st.sampled_from(["", "/proxy", "/a"]),
)
@example({""}, "*", "")
@example({"/a"}, "*", "")
@example({"", "/a"}, "", "/proxy")
@example({"/a/b", "/a"}, "/a" + "/" * 4000, "")
@example({"/cafÃ©"}, "/cafÃ©/x", "")
@example({"/", "/sl/", "noslash"}, "/sl/", "")
def test_it_leads_where_werkzeugs_dispatcher_leads(
    mounts: set[str], path: str, script_name: str
) -> None:
    theirs, ours = asked(mounts, {"SCRIPT_NAME": script_name, "PATH_INFO": path})
    assert ours == theirs


@pytest.mark.parametrize("environ", [{}, {"PATH_INFO": "/a"}, {"SCRIPT_NAME": "/p"}])
def test_what_is_missing_in_the_environ_is_empty(environ: dict[str, str]) -> None:
    theirs, ours = asked(["/a"], environ)
    assert ours == theirs


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/a", ("/a", "/a", ""), id="bare-prefix"),
        pytest.param("/a//x", ("/a", "/a", "//x"), id="double-slash-inside"),
        pytest.param("/a/b/", ("/a/b", "/a/b", "/"), id="deeper-mount"),
        pytest.param("/a/bx", ("/a", "/a", "/bx"), id="boundary-inside"),
        pytest.param("/ab", ("default", "", "/ab"), id="boundary"),
        pytest.param("//a/x", ("default", "", "//a/x"), id="double-slash-before"),
        pytest.param("/a/", ("/a", "/a", "/"), id="decoded-slash"),
        pytest.param("*", ("default", "*", ""), id="asterisk"),
        pytest.param("", ("default", "", ""), id="empty"),
    ],
)
def test_the_table_of_the_field_notes(path: str, expected: Seen) -> None:
    theirs, ours = asked(["/a", "/a/b"], {"SCRIPT_NAME": "", "PATH_INFO": path})
    assert ours == theirs == expected


def test_the_root_mount_takes_what_no_other_does() -> None:
    for path in ("/", "/x", "/x/y", "", "/a/x"):
        _, ours = asked(["", "/b"], {"PATH_INFO": path})
        assert ours == ("root", "", path)


class Counted(dict[str, Any]):
    """Mounts that count how often they are asked for."""

    looks = 0

    def __contains__(self, key: object) -> bool:
        self.looks += 1
        return super().__contains__(key)


@pytest.mark.parametrize("slashes", [10, 4000])
def test_its_cost_does_not_grow_with_slashes(slashes: int) -> None:
    dispatcher = BoundedDispatcher(named("default"), {"/a": named("a"), "/a/b": named("b")})
    counted = Counted(dispatcher.mounts)
    dispatcher._table = (counted, 2)
    seen(dispatcher, {"PATH_INFO": "/x" + "/" * slashes})
    assert counted.looks <= 3


def test_it_does_not_alias_the_mounts_it_is_given() -> None:
    mounts: dict[str, Any] = {}
    dispatcher = BoundedDispatcher(named("default"), mounts)
    mounts["/a"] = named("a")
    assert seen(dispatcher, {"PATH_INFO": "/a"})[0] == "default"
    assert dispatcher.mounts == {}


def test_remounting_replaces_all_mounts_at_once() -> None:
    old, new = {"/a": named("old")}, {"/a/b/c": named("new"), "/a": named("new")}
    dispatcher = BoundedDispatcher(named("default"), old)
    stop, wrong = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            found = seen(dispatcher, {"PATH_INFO": "/a/b/c"})
            if found not in (("old", "/a", "/b/c"), ("new", "/a/b/c", "")):
                wrong.append(found)
                return

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(500):
        dispatcher.remount(new)
        dispatcher.remount(old)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_body_is_the_apps_own_iterable() -> None:
    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b""

    body = Body()
    dispatcher = BoundedDispatcher(lambda environ, start_response: body, {})
    assert dispatcher({"PATH_INFO": "/"}, lambda *_: lambda _: None) is body
