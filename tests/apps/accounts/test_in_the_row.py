"""Signed in once, with a real server in front: the app and its siblings in one gunicorn."""

from __future__ import annotations

import http.cookiejar
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Project, Server

SIBLING = """
    from flask import Flask
    from config import configure_app
    from shared_utils import identity

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        identity.init_app(app)

        @app.get("/")
        @identity.login_required
        def index():
            return f"hello {identity.current_identity().name}"

        @app.get("/console")
        @identity.role_required("operator")
        def console():
            return "console"

        return app
"""


class Browser:
    """Keeps cookies, and follows redirects, as a browser does."""

    def __init__(self, server: Server) -> None:
        self.base = f"http://127.0.0.1:{server.port}"
        self.url = ""
        self.jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(self.jar),
        )

    @property
    def identity_paths(self) -> list[str]:
        """The paths of the cookies that say who is signed in."""
        return [cookie.path for cookie in self.jar if cookie.name == "rowhouse_identity"]

    def open(self, path: str, **form: str) -> str:
        data = urllib.parse.urlencode(form).encode() if form else None
        request = urllib.request.Request(
            urllib.parse.urljoin(self.base, path), data, {"Accept": "text/html"}
        )
        try:
            with self._opener.open(request, timeout=60) as response:
                self.url = response.url.removeprefix(self.base)
                return str(response.read().decode())
        except urllib.error.HTTPError as error:
            return str(error.code)

    def send(self, page: str, **fields: str) -> str:
        """Send the form of a page."""
        hidden = re.findall(r'name="(\w+)" type="hidden" value="([^"]*)"', page)
        action = re.search(r'method="post" action="([^"]+)"', page)
        assert action
        return self.open(action[1], **dict(hidden) | fields)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.copy_app("accounts")
    project.app("portal", SIBLING)
    (project.root / "instance").mkdir()
    cheap = "HASH_MEMORY, HASH_PASSES, HASH_LANES = 64, 1, 1\n"
    (project.root / "instance" / "accounts.py").write_text(cheap)
    return project


@pytest.fixture
def server(project: Project) -> Iterator[Server]:
    assert project.rowhouse("db", "upgrade").returncode == 0
    server = Server(project, workers=2, environ={})
    yield server
    server.stop()


def test_the_first_operator_signs_in_and_every_app_knows_them(
    project: Project, server: Server
) -> None:
    first = project.rowhouse("prepare")
    assert first.returncode == 0, first.stderr
    one_time = re.search(r"one-time password: +(\S+)", first.stdout)
    assert one_time
    assert project.rowhouse("prepare").stdout == ""

    browser = Browser(server)
    page = browser.open("/portal/console")
    assert browser.url == "/accounts/sign-in?next=%2Fportal%2Fconsole"
    page = browser.send(page, name="operator", password=one_time[1])
    assert browser.url == "/accounts/password?next=/portal/console"
    new = "a password of my own"
    page = browser.send(page, current=one_time[1], password=new, again=new)
    assert (browser.url, page) == ("/portal/console", "console")
    assert browser.open("/portal/") == "hello operator"
    assert browser.identity_paths == ["/"]

    browser.send(browser.open("/accounts/sign-out"))
    assert browser.identity_paths == []
    browser.open("/portal/")
    assert browser.url.startswith("/accounts/sign-in?next=")


def test_a_user_and_their_program(server: Server) -> None:
    browser = Browser(server)
    browser.open("/portal/")
    page = browser.open("/accounts/sign-up?next=/portal/")
    password = "correct horse battery"
    page = browser.send(page, name="ann", password=password, again=password)
    assert (browser.url, page) == ("/portal/", "hello ann")
    assert browser.open("/portal/console") == "403"

    request = urllib.request.Request(
        f"{browser.base}/accounts/api/v1/token",
        json.dumps({"name": "ann", "password": password}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        token = json.load(response)["access_token"]
    assert server.get("/portal/", Authorization=f"Bearer {token}").text == "hello ann"
    refused = server.get("/portal/console", Authorization=f"Bearer {token}")
    assert (refused.status, refused.json["status"]) == (403, 403)
    assert server.get("/portal/").status == 401


@pytest.mark.parametrize(
    ("proxies", "told", "statuses"),
    [
        (0, "198.51.100.{}", [401, 401, 429]),  # a client's own word
        (1, "198.51.100.{}", [401, 401, 401]),
        (1, "198.51.100.{}, 192.0.2.1", [401, 401, 429]),  # the proxy's is the last
    ],
)
def test_tries_are_counted_for_the_address_that_a_trusted_proxy_tells(
    project: Project, proxies: int, told: str, statuses: list[int]
) -> None:
    project.operator(f"""
        [host]
        trusted_proxies = {proxies}
        [mounts.accounts.config]
        SIGN_IN_RATE = "2 per day"
    """)
    assert project.rowhouse("db", "upgrade").returncode == 0
    server = Server(project, environ={})
    try:
        found = []
        for number in range(3):
            request = urllib.request.Request(
                f"http://127.0.0.1:{server.port}/accounts/api/v1/token",
                json.dumps({"name": "ann", "password": "wrong"}).encode(),
                {"Content-Type": "application/json", "X-Forwarded-For": told.format(number)},
            )
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=60)
            found.append(refused.value.code)
            refused.value.close()
        assert found == statuses
    finally:
        server.stop()
