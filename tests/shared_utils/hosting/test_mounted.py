from __future__ import annotations

import io
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from werkzeug.test import Client

from shared_utils.hosting.maintenance import Maintenance
from shared_utils.hosting.mounted import Mounted
from shared_utils.hosting.settings.mounts import Mount
from shared_utils.hosting.settings.schema import Host, Limits
from shared_utils.hosting.walls.bulkhead import Load, Permit
from shared_utils.hosting.walls.walls import Walls
from tests.hostile import MARKUP

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def mounted(load: str = "eager", **facts: Any) -> Mounted:
    facts = {"title": "Trades", "prefix": "/trades", **facts}
    facts = {"limits": Limits(queue_timeout=0), **facts}
    issuer, maintenance = facts.pop("issuer", False), facts.pop("maintenance", None)
    mount = Mount(name="trades", target="x:y", load=load, **facts)
    walls = Walls.around([mount], Host())
    return Mounted(
        mount, walls=walls, wake=lambda mounted: None, maintenance=maintenance, issuer=issuer
    )


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer the request's cookies, and set the ones that it asks for."""
    cookies = [("Set-Cookie", text) for text in environ["QUERY_STRING"].split("&") if text]
    start_response("200 OK", [("Content-Type", "text/plain"), *cookies])
    return [environ.get("HTTP_COOKIE", "(none)").encode("latin-1")]


def under(prefix: str, app: Mounted) -> Client:
    return Client(app, use_cookies=False)


def answer(app: Mounted, script_name: str = "/trades", **environ: Any) -> Any:
    client = Client(app, use_cookies=False)
    return client.get("/", base_url=f"http://localhost{script_name}", buffered=True, **environ)


def test_the_states_of_an_eager_mount() -> None:
    mount = mounted()
    assert (mount.state, mount.is_built) == ("starting", False)
    mount.down("X: y", time.monotonic())
    assert (mount.state, mount.failure) == ("down", "X: y")
    mount.up(echo, 0.5)
    assert (mount.state, mount.is_built, mount.failure) == ("up", True, "")
    assert mount.build_seconds == 0.5


def test_the_states_of_a_lazy_mount() -> None:
    mount = mounted("lazy")
    assert mount.state == "lazy"
    mount.starting()
    assert mount.state == "starting"


def test_what_is_down_answers_503_and_says_whose_it_is() -> None:
    mount = mounted(owner="Team Trading", contact="t@example.com")
    mount.down("ValueError: marker", time.monotonic() + 7)
    response = answer(mount)
    assert response.status_code == 503
    assert 6 <= int(response.headers["Retry-After"]) <= 7
    assert response.content_type == "application/problem+json"
    content = json.loads(response.text)
    assert content == {
        "status": 503,
        "title": "Service Unavailable",
        "detail": "Trades is not available at the moment. Team Trading can help: t@example.com.",
        "app": "trades",
        "contact": "t@example.com",
    }
    assert "marker" not in response.text


def test_a_person_gets_a_page_in_which_nothing_is_markup() -> None:
    mount = mounted(title=MARKUP, owner=MARKUP, contact=MARKUP)
    mount.down(MARKUP, time.monotonic())
    response = answer(mount, headers={"Accept": "text/html"})
    assert response.status_code == 503
    assert response.content_type == "text/html; charset=utf-8"
    assert "<script>" not in response.text
    assert "&lt;script&gt;" in response.text
    assert response.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("portal", "outer", "link"),
    [
        ("/", "", "/"),
        ("/all", "", "/all/"),
        ("/", "/north", "/north/"),
        ("/ä b", "/no:th", "/no:th/%C3%A4%20b/"),
    ],
)
@pytest.mark.parametrize("state", ["starting", "down", "maintenance", "busy"])
def test_a_person_finds_the_way_to_the_portal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str, portal: str, outer: str, link: str
) -> None:
    maintenance = Maintenance(tmp_path)
    mount = mounted(maintenance=maintenance)
    mount.portal = portal
    if state == "down":
        mount.down("x", time.monotonic())
    elif state == "maintenance":
        maintenance.switch_on("trades", "Back at noon")
    elif state == "busy":
        mount.up(echo, 0.1)
        monkeypatch.setattr(Permit, "hold", lambda permit, name, at_once: False)
    response = answer(mount, f"{outer}/trades", headers={"Accept": "text/html"})
    assert response.status_code == 503
    assert f'<a href="{link}">All apps</a>' in response.text


def test_a_head_request_gets_no_body() -> None:
    mount = mounted()
    mount.down("x", time.monotonic())
    response = Client(mount).head("/")
    assert (response.status_code, response.data) == (503, b"")


def test_what_is_starting_says_so() -> None:
    response = answer(mounted())
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert json.loads(response.text)["detail"] == "Trades is starting."


def test_it_wakes_the_builder_while_there_is_no_app() -> None:
    woken: list[Mounted] = []
    settings = Mount(name="a", prefix="/a", target="x:y", title="A")
    mount = Mounted(settings, walls=Walls.around([settings], Host()), wake=woken.append)
    answer(mount)
    assert woken == [mount]
    mount.up(echo, 0)
    answer(mount)
    assert woken == [mount]


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("a=1; home_session=2; b=3", "a=1; b=3"),
        ("home_session=2", "(none)"),
        ("trades_session=1; home_session=2", "trades_session=1"),
        ("home_session_x=1", "home_session_x=1"),
        (None, "(none)"),
    ],
)
def test_sessions_of_neighbours_are_not_passed_in(sent: str | None, seen: str) -> None:
    mount = mounted()
    mount.up(echo, 0)
    mount.keep_out(frozenset({"home_session"}))
    headers = {} if sent is None else {"Cookie": sent}
    assert answer(mount, headers=headers).text == seen


@pytest.mark.parametrize(
    ("cookies", "script_name", "expected"),
    [
        ("scoped", "/trades", "s=1; Path=/trades"),
        ("scoped", "/proxy/trades", "s=1; Path=/proxy/trades"),
        ("shared", "/trades", "s=1; Path=/"),
    ],
)
def test_cookies_it_sets_are_scoped(cookies: str, script_name: str, expected: str) -> None:
    mount = mounted(cookies=cookies)
    mount.up(echo, 0)
    response = answer(mount, script_name, query_string="s=1; Path=/")
    assert response.headers["Set-Cookie"] == expected


@pytest.mark.parametrize("cookies", ["scoped", "shared"])
@pytest.mark.parametrize("issuer", [True, False])
def test_the_identity_cookie_is_the_issuers_alone_to_set(cookies: str, issuer: bool) -> None:
    mount = mounted(cookies=cookies, issuer=issuer)
    mount.up(echo, 0)
    cookie = "rowhouse_identity=1; Path=/"
    response = answer(mount, query_string=f"{cookie}&a=1; Path=/x&={cookie}")
    kept = [cookie, "a=1; Path=/x", f"={cookie}"] if issuer else ["a=1; Path=/x"]
    assert response.headers.getlist("Set-Cookie") == kept


@pytest.mark.parametrize(
    ("identity", "seen"), [(True, "a=1; rowhouse_identity=2; b=3"), (False, "a=1; b=3")]
)
@pytest.mark.parametrize("session", [None, "rowhouse_identity"])
@pytest.mark.parametrize("neighbours", [{"home_session"}, {"rowhouse_identity"}, set()])
def test_the_identity_is_passed_in_as_the_operator_says(
    identity: bool, seen: str, session: str | None, neighbours: set[str]
) -> None:
    """However the app, or a neighbour, has named its session."""
    app = Flask("x")
    app.config["SESSION_COOKIE_NAME"] = session or "x_session"
    app.wsgi_app = echo  # type: ignore[method-assign]
    mount = mounted(identity=identity)
    mount.up(app, 0)
    for _ in range(2):
        headers = {"Cookie": "a=1; rowhouse_identity=2; b=3"}
        assert answer(mount, headers=headers).text == seen
        mount.keep_out(frozenset({*neighbours, mount.session_cookie}))


def test_without_cookies_headers_are_the_apps_own() -> None:
    mount = mounted()
    mount.up(echo, 0)
    assert answer(mount).headers.to_wsgi_list() == [("Content-Type", "text/plain")]


def test_a_body_that_is_announced_too_large_is_refused_before_a_byte_is_read() -> None:
    mount = mounted(limits=Limits(max_body=9))
    mount.up(echo, 0)
    read: list[int] = []

    class Input(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            read.append(1)
            return super().read(size)

    client = Client(mount, use_cookies=False)
    assert client.post("/", input_stream=Input(b"123456789"), content_length=9).status_code == 200
    response = client.post("/", input_stream=Input(b"1234567890"), content_length=10)
    assert (response.status_code, read) == (413, [])
    assert "up to 9 bytes" in response.text


def test_what_is_not_admitted_is_shed_and_what_is_refused_gives_back_what_it_held() -> None:
    mount = mounted(limits=Limits(max_running=1, max_threads=2, queue_timeout=0))
    bulkhead = mount.walls.bulkhead
    inner: list[Any] = []

    def asks_again(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not inner:
            inner.append(None)
            inner[0] = answer(mount)
        return echo(environ, start_response)

    mount.up(asks_again, 0)
    assert answer(mount).status_code == 200
    assert inner[0].status_code == 503
    assert inner[0].headers["Retry-After"] == "1"
    assert "more requests than it can answer" in inner[0].text
    assert bulkhead.load("trades") == Load(running=0, parked=0, threads=0)
    mount.down("X: y", time.monotonic())
    mount = mounted(limits=Limits(max_threads=1, queue_timeout=0))
    mount.down("X: y", time.monotonic())
    assert [answer(mount).status_code for _ in range(3)] == [503] * 3
    assert mount.walls.bulkhead.load("trades") == Load(running=0, parked=0, threads=0)


def test_the_name_of_its_session_cookie() -> None:
    mount = mounted()
    assert mount.session_cookie == "trades_session"
    app = Flask("x")
    app.config["SESSION_COOKIE_NAME"] = "mine"
    mount.up(app, 0)
    assert mount.session_cookie == "mine"
    assert mount.flask_app is app


@pytest.mark.parametrize("name", [None, 5, ["list"], ""])
def test_a_session_cookie_without_a_sound_name_is_bearable(name: object) -> None:
    app = Flask("x")
    app.config["SESSION_COOKIE_NAME"] = name
    mount = mounted()
    mount.up(app, 0)
    assert isinstance(mount.session_cookie, str)


def test_an_app_without_any_session_cookie_name_is_bearable() -> None:
    app = Flask("x")
    del app.config["SESSION_COOKIE_NAME"]
    mount = mounted()
    mount.up(app, 0)
    assert mount.session_cookie == "trades_session"


@pytest.mark.parametrize(
    ("blocks", "fails", "steps"),
    [
        (False, False, ["app"]),
        (True, False, ["before", "app", "after"]),
        (True, True, ["before", "app"]),
    ],
)
def test_an_app_that_blocks_does_so_without_a_turn(
    blocks: bool, fails: bool, steps: list[str]
) -> None:
    """One that fails has its answer made without another one."""
    done: list[str] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        done.append("app")
        if fails:
            raise ValueError
        return echo(environ, start_response)

    mount = mounted()
    mount.walls.bulkhead.before_waiting = lambda: done.append("before")
    mount.walls.bulkhead.after_waiting = lambda: done.append("after")
    mount.up(app, 0.5)
    mount.habit.blocks, mount.habit._tried_at = blocks, time.monotonic() + 100
    assert answer(mount).status_code == (500 if fails else 200)
    assert done == steps


def test_who_was_parked_has_lost_its_turn_and_asks_for_another() -> None:
    done: list[str] = []
    mount = mounted(limits=Limits(queue_timeout=100, max_running=1))
    bulkhead = mount.walls.bulkhead
    first = Permit(bulkhead)
    assert first.hold("trades", at_once=True)
    bulkhead.before_waiting = lambda: done.append("before")
    bulkhead.on_parked = first.let_go
    bulkhead.after_waiting = lambda: done.append("after")

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        done.append("app")
        return echo(environ, start_response)

    mount.up(app, 0.5)
    assert answer(mount).status_code == 200
    assert done == ["before", "before", "app", "after"]
    assert not mount.habit._cohort.begun
