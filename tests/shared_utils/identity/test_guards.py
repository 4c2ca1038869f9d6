"""Views for those alone who are signed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.test import Client

from shared_utils import identity
from shared_utils.identity.testing import sign_in

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def issuer(make_sibling: Callable[..., Flask]) -> Flask:
    """Return an app that knows where to sign in: it is the issuer itself, and alone."""
    return make_sibling(name="accounts")


def test_pages_are_led_to_sign_in_and_back(issuer: Flask) -> None:
    answer = issuer.test_client().get("/private?page=2&q=a%20b%26", headers=PAGE)

    assert answer.status_code == 303
    wanted = quote("/private?page=2&q=a%20b%26", safe="")
    assert answer.headers["Location"] == f"/sign-in?next={wanted}"
    assert answer.headers["Cache-Control"] == "no-store"


def test_under_a_prefix_the_way_back_has_it(issuer: Flask) -> None:
    prefix = {"SCRIPT_NAME": "/café".encode().decode("latin-1")}
    answer = issuer.test_client().get("/private", headers=PAGE, environ_overrides=prefix)
    assert answer.headers["Location"] == "/caf%C3%A9/sign-in?next=%2Fcaf%25C3%25A9%2Fprivate"


@pytest.mark.parametrize(
    ("referrer", "location"),
    [
        ("http://localhost/form?x=1", "/sign-in?next=%2Fform%3Fx%3D1"),
        ("http://evil.example/form", "/sign-in"),
        ("http://localhost//evil.example", "/sign-in"),
        ("nonsense", "/sign-in"),
        (None, "/sign-in"),
    ],
)
def test_what_changes_something_leads_back_to_its_page(
    issuer: Flask, referrer: str | None, location: str
) -> None:
    headers = PAGE | ({"Referer": referrer} if referrer else {})
    assert issuer.test_client().post("/private", headers=headers).headers["Location"] == location


def test_a_path_that_reads_like_a_host_leads_back_to_this_one(issuer: Flask) -> None:
    issuer.before_request(lambda: identity.refusal())
    path = {"PATH_INFO": "//evil.example"}
    answer = Client(issuer).get("/", headers=PAGE, environ_overrides=path)
    assert answer.headers["Location"] == "/sign-in?next=%2Fevil.example"


def test_programs_get_401(issuer: Flask) -> None:
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        answer = issuer.test_client().get("/private", headers=headers)
        assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
        assert answer.headers["WWW-Authenticate"] == "Bearer realm=rowhouse"
        assert answer.get_json(force=True)["detail"] == "Sign in first."


def test_a_token_that_is_not_valid_is_told_so(issuer: Flask) -> None:
    answer = issuer.test_client().get(
        "/private", headers={"Authorization": "Bearer nonsense", **PAGE}
    )
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    assert "error=invalid_token" in answer.headers["WWW-Authenticate"].replace('"', "")


def test_where_nobody_can_sign_in_a_page_says_so(sibling: Flask) -> None:
    answer = sibling.test_client().get("/private", headers=PAGE)
    assert (answer.status_code, answer.mimetype) == (401, "text/html")
    assert "WWW-Authenticate" in answer.headers


@pytest.mark.parametrize(
    ("roles", "status"), [([], 403), (["user"], 403), (["operator"], 200), (["auditor"], 200)]
)
def test_one_of_the_roles_is_needed(sibling: Flask, roles: list[str], status: int) -> None:
    client = sibling.test_client()
    token = sign_in(client, "ann", roles=roles)
    assert client.get("/console", headers=PAGE).status_code == status

    answer = Client(sibling).get("/console", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == status
    if status == 403:
        assert answer.content_type == "application/problem+json"
        assert "operator or auditor" in answer.text


def test_a_guarded_view_keeps_its_name(sibling: Flask) -> None:
    assert sibling.view_functions["console"].__name__ == "console"


def test_signing_in_for_a_test(sibling: Flask) -> None:
    client: Any = Client(sibling)
    sign_in(client, "bob", app=sibling, id="8")
    assert client.get("/private").text == "8 bob"
    token = sign_in(sibling, "eve")
    assert (
        sibling.test_client().get("/private", headers={"Authorization": f"Bearer {token}"}).text
        == "eve eve"
    )
    with pytest.raises(TypeError, match="pass app="):
        sign_in(Client(sibling), "eve")
