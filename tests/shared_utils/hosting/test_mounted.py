from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from werkzeug.test import Client

from shared_utils.hosting.mounted import Mounted
from shared_utils.hosting.settings.mounts import Mount
from shared_utils.hosting.settings.schema import Limits

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def mounted(load: str = "eager", **facts: Any) -> Mounted:
    facts = {"title": "Trades", "prefix": "/trades", **facts}
    mount = Mount(name="trades", target="x:y", load=load, limits=Limits(queue_timeout=0), **facts)
    return Mounted(mount, wake=lambda mounted: None)


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer the request's cookies, and set the ones that it asks for."""
    cookies = [("Set-Cookie", text) for text in environ["QUERY_STRING"].split("&") if text]
    start_response("200 OK", [("Content-Type", "text/plain"), *cookies])
    return [environ.get("HTTP_COOKIE", "(none)").encode("latin-1")]


def under(prefix: str, app: Mounted) -> Client:
    return Client(app, use_cookies=False)


def answer(app: Mounted, script_name: str = "/trades", **environ: Any) -> Any:
    client = Client(app, use_cookies=False)
    return client.get("/", base_url=f"http://localhost{script_name}", **environ)


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
    evil = "<script>alert(1)</script>"
    mount = mounted(title=evil, owner=evil, contact=evil)
    mount.down(evil, time.monotonic())
    response = answer(mount, headers={"Accept": "text/html"})
    assert response.status_code == 503
    assert response.content_type == "text/html; charset=utf-8"
    assert "<script>" not in response.text
    assert "&lt;script&gt;" in response.text
    assert response.headers["Retry-After"] == "1"


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
    mount = Mounted(Mount(name="a", prefix="/a", target="x:y", title="A"), wake=woken.append)
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


def test_without_cookies_headers_are_the_apps_own() -> None:
    headers = [("X-One", "1")]
    seen: list[object] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", headers)
        return []

    mount = mounted()
    mount.up(app, 0)
    mount({"SCRIPT_NAME": "/trades"}, lambda *given: seen.append(given[1]))  # type: ignore[arg-type]
    assert seen == [headers]


def test_the_body_is_the_apps_own_object() -> None:
    body = [b"x"]
    mount = mounted()
    mount.up(lambda environ, start_response: body, 0)
    assert mount({"SCRIPT_NAME": ""}, lambda *_: lambda _: None) is body


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
