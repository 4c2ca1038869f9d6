"""One app signs people in, its siblings know them, and the wall watches the cookie."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.running import Project, Serve, Server

ISSUER = """
    from flask import Flask, redirect, request
    from config import configure_app
    from shared_utils import identity
    from shared_utils.identity.cookie import clear_cookie, set_cookie
    from shared_utils.identity.keys import PrivateKey
    from shared_utils.identity.tokens import Identity, issue

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        identity.init_app(app)
        key = PrivateKey(app)
        key.make()

        @app.get("/sign-in")
        def sign_in():
            response = redirect(identity.checked_next(request.args.get("next")) or "/")
            who = Identity(id="7", name=request.args["as"], roles=frozenset({"user"}))
            set_cookie(response, issue(who, key.current()))
            response.set_cookie("own", "1")
            return response

        @app.get("/sign-out")
        def sign_out():
            response = redirect("/")
            clear_cookie(response)
            return response

        return app
"""

SIBLING = """
    from flask import Flask
    from config import configure_app
    from shared_utils import identity

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        identity.init_app(app)

        @app.get("/page")
        @identity.login_required
        def page():
            return identity.current_identity().name

        @app.get("/forge")
        def forge():
            headers = [("Set-Cookie", f"{name}=forged; Path=/")
                       for name in ("rowhouse_identity", "=rowhouse_identity", "own")]
            return "forged", headers

        return app
"""

FOREIGN = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ.get("HTTP_COOKIE", "(none)").encode()]
"""


@pytest.fixture
def server(project: Project, serve: Serve) -> Server:
    project.app("accounts", ISSUER)
    project.app("trades", SIBLING)
    project.app("shared", SIBLING, manifest='cookies = "shared"\n')
    (project.root / "foreign.py").write_text(FOREIGN)
    project.operator(
        """
        [mounts.stranger]
        app = "foreign:application"
        [mounts.friend]
        app = "foreign:application"
        identity = true
        """
    )
    return serve(workers=2)


def cookies_of(server: Server, path: str, **headers: str) -> list[str]:
    return server.get(path, **headers).headers.get_all("Set-Cookie") or []


def test_signed_in_once_and_known_to_every_sibling(server: Server) -> None:
    sent_away = server.get("/trades/page?a=1", Accept="text/html")
    wanted = quote("/trades/page?a=1", safe="")
    assert (sent_away.status, sent_away.headers["Location"]) == (
        303,
        f"/accounts/sign-in?next={wanted}",
    )
    assert server.get("/trades/page").status == 401

    identity, own = cookies_of(server, f"/accounts/sign-in?as=ann&next={wanted}")
    pair, *attributes = identity.split("; ")
    assert {*attributes} >= {"HttpOnly", "Max-Age=43200", "Path=/", "SameSite=Lax"}
    assert own == "own=1; Path=/accounts"
    for path in ("/trades/page", "/shared/page"):
        assert server.get(path, Cookie=pair).text == "ann"
    token = pair.partition("=")[2]
    assert server.get("/trades/page", Authorization=f"Bearer {token}").text == "ann"

    [gone] = cookies_of(server, "/accounts/sign-out", Cookie=pair)
    assert gone.startswith("rowhouse_identity=;")
    assert {"Max-Age=0", "Path=/"} <= set(gone.split("; "))


def test_no_other_app_sets_the_cookie(server: Server) -> None:
    assert cookies_of(server, "/trades/forge") == ["own=forged; Path=/trades"]
    assert cookies_of(server, "/shared/forge") == ["own=forged; Path=/"]


def test_the_cookie_reaches_those_alone_that_the_operator_names(server: Server) -> None:
    sent = "a=1; rowhouse_identity=x; b=2"
    assert server.get("/stranger/", Cookie=sent).text == "a=1; b=2"
    assert server.get("/stranger/", Cookie="rowhouse_identity=x").text == "(none)"
    assert server.get("/friend/", Cookie=sent).text == sent


def test_the_operator_names_another_issuer(project: Project, serve: Serve) -> None:
    project.app("accounts", SIBLING)
    project.app("door", ISSUER)
    project.operator('[host]\nidentity_issuer = "door"\n')
    server = serve()

    assert (
        server.get("/accounts/page", Accept="text/html")
        .headers["Location"]
        .startswith("/door/sign-in?next=")
    )
    identity, _ = cookies_of(server, "/door/sign-in?as=ann")
    assert "Path=/" in identity.split("; ")
    assert cookies_of(server, "/accounts/forge") == ["own=forged; Path=/accounts"]


def test_an_issuer_that_is_not_there_is_a_mistake(project: Project, serve: Serve) -> None:
    project.app("accounts", ISSUER)
    project.operator('[host]\nidentity_issuer = "acounts"\n')
    server = serve()

    assert server.process.wait(60) == 1
    assert (
        'rowhouse.toml: host.identity_issuer: there is no mount "acounts"; '
        'write accounts, or "" for none'
    ) in server.lines()
