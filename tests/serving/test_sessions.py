"""Two siblings in one browser: each has a session of its own, behind a proxy too."""

from __future__ import annotations

import http.cookiejar
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nginx import in_front
from tests.running import Project, Serve, Server

SIGN_IN = """
    import secrets

    from flask import Flask, request, session
    {imports}

    def create_app(overrides=None):
        app = Flask(__name__)
        {configure}

        @app.get("/in/<user>")
        def sign_in(user):
            session["user"] = user
            session["csrf"] = secrets.token_hex(8)
            return session["csrf"]

        @app.get("/")
        def who():
            return session.get("user", "nobody") + " " + "|".join(sorted(request.cookies))

        @app.post("/do")
        def do():
            if request.form["csrf"] != session.get("csrf"):
                return "refused", 403
            return "done"

        return app
"""


class Browser:
    """Keeps cookies as a browser does, by path and name."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.jar)
        )

    def get(self, path: str, **form: str) -> str:
        data = urllib.parse.urlencode(form).encode() if form else None
        try:
            with self._opener.open(self.base + path, data, timeout=60) as response:
                text: str = response.read().decode()
        except urllib.error.HTTPError as error:
            return f"{error.code}"
        return text

    @property
    def cookies(self) -> set[tuple[str, str]]:
        return {(cookie.name, cookie.path) for cookie in self.jar}


@pytest.fixture
def server(project: Project, serve: Serve) -> Server:
    configured = {
        "imports": "from config import configure_app",
        "configure": "configure_app(app, overrides)",
    }
    project.app("home", SIGN_IN.format(**configured))
    project.app("trades", SIGN_IN.format(**configured))
    project.app("foreign", SIGN_IN.format(imports="", configure="pass"))
    project.operator('[host]\ntrusted_proxies = 1\n[mounts.home]\nprefix = "/"\n')
    return serve()


@pytest.fixture
def nginx(server: Server, tmp_path: Path) -> Iterator[str]:
    """A proxy in front, under /tools."""
    locations = f"""
        location /tools/ {{
            proxy_pass http://127.0.0.1:{server.port}/;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Prefix /tools;
        }}
    """
    with in_front(tmp_path, locations, "/tools/-/live") as base:
        yield f"{base}/tools"


@pytest.mark.parametrize("proxied", [False, True], ids=["direct", "behind nginx under /tools"])
def test_siblings_keep_their_sessions_apart(
    server: Server, proxied: bool, request: pytest.FixtureRequest
) -> None:
    base = request.getfixturevalue("nginx") if proxied else f"http://127.0.0.1:{server.port}"
    outer = "/tools" if proxied else ""
    browser = Browser(base)

    tokens = {name: browser.get(f"/{name}/in/{name}") for name in ("trades", "foreign")}
    tokens["home"] = browser.get("/in/home")

    assert browser.get("/") == "home home_session"
    assert browser.get("/trades/") == "trades trades_session"
    assert browser.get("/foreign/") == "foreign foreign_session"
    assert browser.cookies == {
        ("home_session", outer or "/"),
        ("trades_session", f"{outer}/trades"),
        ("foreign_session", f"{outer}/foreign"),
    }
    for name, path in (("home", ""), ("trades", "/trades"), ("foreign", "/foreign")):
        others = [token for other, token in tokens.items() if other != name]
        assert browser.get(f"{path}/do", csrf=tokens[name]) == "done"
        assert [browser.get(f"{path}/do", csrf=token) for token in others] == ["403", "403"]


def test_a_session_of_one_is_refused_by_the_other(server: Server) -> None:
    browser = Browser(f"http://127.0.0.1:{server.port}")
    browser.get("/trades/in/ann")
    [cookie] = browser.jar

    forged = f"foreign_session={cookie.value}; home_session={cookie.value}"
    assert server.get("/foreign/", Cookie=forged).text.startswith("nobody")
    assert server.get("/", Cookie=forged).text.startswith("nobody")
    genuine = server.get("/trades/", Cookie=f"trades_session={cookie.value}; {forged}; lang=de")
    assert genuine.text == "ann lang|trades_session"


def test_sessions_outlive_a_rotation_of_the_root_key(project: Project, serve: Serve) -> None:
    project.app(
        "trades",
        SIGN_IN.format(
            imports="from config import configure_app", configure="configure_app(app, overrides)"
        ),
    )
    before = serve(environ={"ROWHOUSE_SECRET_KEY": "first"})
    browser = Browser(f"http://127.0.0.1:{before.port}")
    browser.get("/trades/in/ann")
    [cookie] = browser.jar
    held = f"{cookie.name}={cookie.value}"

    rotated = {"ROWHOUSE_SECRET_KEY": "second", "ROWHOUSE_SECRET_KEY_FALLBACKS": "first"}
    assert serve(environ=rotated).get("/trades/", Cookie=held).text == "ann trades_session"
    forgotten = {"ROWHOUSE_SECRET_KEY": "second"}
    assert serve(environ=forgotten).get("/trades/", Cookie=held).text == "nobody trades_session"


def test_a_bad_forwarded_prefix_does_not_reach_a_link(server: Server) -> None:
    for prefix in ("//evil.example", "/a/../b", "https://evil.example", "/a b"):
        answer = server.get("/trades", X_Forwarded_Prefix=prefix)
        assert urllib.parse.urlsplit(answer.headers["Location"]).path == "/trades/"
