from __future__ import annotations

import json
import logging

import pytest
from flask import Flask, abort
from jinja2 import DictLoader
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import HTTPException, MethodNotAllowed, TooManyRequests, Unauthorized
from werkzeug.wrappers import Response

from shared_utils import errors

HTML = {"Accept": "text/html"}


class Odd(HTTPException):
    code = 499
    description = "odd"


def make(template: str | None = None) -> Flask:
    app = Flask("trades", root_path="/")
    app.jinja_loader = DictLoader({"e.html": "page {{ error.code }} {{ request_id }}."})
    errors.init_app(app, template=template)

    @app.get("/abort/<int:code>")
    def abort_(code: int) -> str:
        abort(code, "<why>")

    @app.get("/response")
    def response() -> str:
        abort(Response("mine", 410))

    @app.get("/bug")
    def bug() -> str:
        raise ValueError("marker")

    @app.get("/busy")
    def busy() -> str:
        raise TooManyRequests(retry_after=7)

    @app.get("/method")
    def method() -> str:
        raise MethodNotAllowed(["PUT"])

    @app.get("/sign-in")
    def sign_in() -> str:
        raise Unauthorized(
            www_authenticate=[
                WWWAuthenticate("basic", {"realm": "a"}),
                WWWAuthenticate("bearer", {"realm": "b"}),
            ]
        )

    @app.get("/odd")
    def odd() -> str:
        raise Odd

    @app.get("/slash/")
    def slash() -> str:
        return "slash"

    return app


def test_a_program_gets_json() -> None:
    response = make().test_client().get("/abort/404")
    assert (response.status_code, response.content_type) == (404, "application/problem+json")
    assert json.loads(response.text) == {
        "status": 404,
        "title": "Not Found",
        "detail": "<why>",
        "app": "trades",
    }


def test_a_person_gets_a_page() -> None:
    response = make().test_client().get("/abort/403", headers=HTML)
    assert (response.status_code, response.mimetype) == (403, "text/html")
    assert "&lt;why&gt;" in response.text


def test_a_person_gets_the_apps_own_page() -> None:
    client = make("e.html").test_client()
    response = client.get("/abort/404", headers=HTML)
    assert (response.status_code, response.text) == (404, "page 404 .")
    assert response.headers["Vary"] == "Accept"
    assert client.get("/abort/404").content_type == "application/problem+json"


@pytest.mark.parametrize("headers", [{}, HTML], ids=["json", "html"])
def test_a_bug_is_logged_and_not_shown(
    caplog: pytest.LogCaptureFixture, headers: dict[str, str]
) -> None:
    response = make().test_client().get("/bug", headers=headers)
    assert response.status_code == 500
    assert "marker" not in response.text
    assert "ValueError: marker" in caplog.text
    assert caplog.records[0].levelno == logging.ERROR


def test_in_debug_a_bug_reaches_the_debugger() -> None:
    app = make()
    app.debug = True
    with pytest.raises(ValueError, match="marker"):
        app.test_client().get("/bug")


@pytest.mark.parametrize("template", [None, "e.html"])
@pytest.mark.parametrize(
    ("path", "name", "value"),
    [("/busy", "Retry-After", "7"), ("/method", "Allow", "PUT")],
)
def test_headers_of_an_error_are_kept(
    template: str | None, path: str, name: str, value: str
) -> None:
    assert make(template).test_client().get(path, headers=HTML).headers[name] == value


def test_headers_of_one_name_are_all_kept() -> None:
    response = make().test_client().get("/sign-in")
    found = response.headers.getlist("WWW-Authenticate")
    assert [value.partition(" ")[0] for value in found] == ["Basic", "Bearer"]


def test_a_response_that_was_aborted_with_stays() -> None:
    response = make().test_client().get("/response", headers=HTML)
    assert (response.status_code, response.text) == (410, "mine")


def test_a_redirect_of_the_router_stays() -> None:
    response = make().test_client().get("/slash")
    assert response.status_code == 308
    assert response.headers["Location"].endswith("/slash/")


def test_a_status_that_python_has_no_name_for() -> None:
    assert make().test_client().get("/odd").status_code == 499
