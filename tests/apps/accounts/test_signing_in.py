"""Sign in and out, on pages."""

from __future__ import annotations

import re
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask

from apps.accounts.sessions import PRIVATE_KEY
from apps.accounts.users import models
from apps.accounts.users.enums import Role
from shared_utils.identity.tokens import verify
from tests.apps.accounts.person import PAGE, PASSWORD, Person


@pytest.fixture
def ann(accounts_app: Flask) -> models.User:
    with accounts_app.app_context():
        return models.add("ann", PASSWORD)


@pytest.mark.usefixtures("ann")
def test_sign_in_and_out(person: Person) -> None:
    assert not person.is_signed_in

    answer = person.sign_in()
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{person.prefix}/"
    assert person.is_signed_in

    assert person.get("/sign-out").status_code == 200
    assert person.is_signed_in
    assert person.send("/sign-out").status_code == 303
    assert person.identity is None
    page = person.get()
    assert "You are signed out." in page.text
    assert "Your account" not in page.text


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("name", ["Ann", "ANN", " ann "])
def test_case_and_blanks_of_a_name_make_no_difference(person: Person, name: str) -> None:
    assert person.sign_in(name).status_code == 303


def test_the_cookie_is_kept_from_scripts_and_other_sites(
    person: Person, accounts_app: Flask, ann: models.User
) -> None:
    [cookie] = [
        SimpleCookie(text)["rowhouse_identity"]
        for text in person.sign_in().headers.getlist("Set-Cookie")
        if text.startswith("rowhouse_identity")
    ]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/", True, "Lax")
    assert (cookie["max-age"], cookie["secure"], cookie["domain"]) == ("43200", "", "")
    key = accounts_app.extensions[PRIVATE_KEY].current()
    found = verify(cookie.value, {key.kid: key})
    assert (found.id, found.name, found.roles) == (str(ann.id), "ann", frozenset({"user"}))


@pytest.mark.usefixtures("ann")
def test_over_https_the_cookie_is_secure(person: Person) -> None:
    url: dict[str, Any] = {
        "base_url": "https://accounts.example",
        "headers": PAGE,
    }
    path = f"{person.prefix}/sign-in"
    page = person.client.get(path, **url)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert token
    url["headers"] = PAGE | {"Referer": f"https://accounts.example{path}"}
    fields = {"csrf_token": token[1], "name": "ann", "password": PASSWORD}
    answer = person.client.post(path, data=fields, **url)
    [cookie] = [
        cookie
        for cookie in answer.headers.getlist("Set-Cookie")
        if cookie.startswith("rowhouse_identity=")
    ]
    assert "Secure" in cookie.split("; ")


def test_an_operator_has_both_roles(person: Person, accounts_app: Flask) -> None:
    with accounts_app.app_context():
        models.add("op", PASSWORD, role=Role.OPERATOR)
    person.sign_in("op")
    key = accounts_app.extensions[PRIVATE_KEY].current()
    assert verify(person.identity or "", {key.kid: key}).roles == {"user", "operator"}


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ann", "another one"),
        ("bob", PASSWORD),
        ("ann", PASSWORD + " "),
        ("ann", PASSWORD.upper()),
        ("", PASSWORD),
        ("ann", ""),
        ("ann\0", PASSWORD),
        ("ann", PASSWORD + "\0"),
        ("\uff41\uff4e\uff4e", PASSWORD),
        ("ann\u200b", PASSWORD),
        ("ann' OR 1=1 --", PASSWORD),
        ("x" * 300, PASSWORD),
        ("ann", "x" * 5000),
    ],
)
def test_what_is_wrong_signs_nobody_in(person: Person, name: str, password: str) -> None:
    answer = person.sign_in(name, password)

    assert answer.status_code == 422
    assert person.identity is None
    assert not password or password not in answer.text
    assert 'class="message error"' in answer.text or "aria-invalid" in answer.text


@pytest.mark.usefixtures("ann")
def test_which_of_both_is_wrong_is_not_told(person: Person) -> None:
    wrong_password, wrong_name = (
        person.sign_in("ann", "wrong").text.replace('value="ann"', ""),
        person.sign_in("bob", "wrong").text.replace('value="bob"', ""),
    )
    assert _without_tokens(wrong_password) == _without_tokens(wrong_name)


def _without_tokens(page: str) -> list[str]:
    return [line for line in page.splitlines() if "csrf_token" not in line]


@pytest.mark.usefixtures("ann")
def test_after_sign_in_one_comes_back(person: Person) -> None:
    page = person.get("/sign-in", next="/trades/?page=2")
    assert 'name="next" type="hidden" value="/trades/?page=2"' in page.text
    assert f"/sign-up?next={quote('/trades/?page=2', safe='/?=')}" in page.text.replace(
        "%3F", "?"
    ).replace("%3D", "=")

    answer = person.sign_in(next="/trades/?page=2")
    assert answer.headers["Location"] == "/trades/?page=2"


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/\tx",
        "/a\r\nX: y",
        "%2F%2Fevil.example",
    ],
)
def test_one_never_comes_out_at_another_place(person: Person, target: str) -> None:
    assert "evil" not in person.get("/sign-in", next=target).text
    assert person.sign_in(next=target).headers["Location"] == f"{person.prefix}/"
    assert "evil" not in person.get("/sign-in", next=target).text


@pytest.mark.usefixtures("ann")
def test_whoever_is_signed_in_is_not_sent_round_in_circles(person: Person) -> None:
    person.sign_in()
    page = person.get("/sign-in", next="/trades/")
    assert page.status_code == 200
    assert '<a href="/trades/">Go on</a>' in page.text


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("path", ["/sign-in", "/sign-up", "/sign-out", "/password"])
@pytest.mark.parametrize("token", ["", "made up"])
def test_every_form_needs_its_token(person: Person, path: str, token: str) -> None:
    if path in ("/sign-out", "/password"):
        person.sign_in()
    before = person.identity
    fields = {"name": "bob", "password": PASSWORD, "again": PASSWORD, "current": PASSWORD}
    if path == "/sign-in":
        fields["name"] = "ann"

    answer = person.send(path, csrf_token=token, **fields)
    assert (answer.status_code, answer.mimetype) == (400, "text/html")
    assert person.identity == before


@pytest.mark.usefixtures("ann")
def test_a_token_of_another_session_is_refused(
    person: Person, accounts_app: Flask, accounts_prefix: str
) -> None:
    other = Person(accounts_app, accounts_prefix)
    page = other.get("/sign-in").text
    stolen = page.split('name="csrf_token"', 1)[1].split('value="', 1)[1].split('"', 1)[0]
    assert person.sign_in(csrf_token=stolen).status_code == 400


@pytest.mark.usefixtures("ann")
def test_a_session_from_before_sign_in_is_worth_nothing_after(person: Person) -> None:
    """Whoever puts their own session into a browser would know the token of its forms."""
    before = person.form_token("/sign-in")
    assert person.sign_in(csrf_token=before).status_code == 303
    assert person.post("/sign-out", csrf_token=before).status_code == 400
    assert person.is_signed_in
    assert person.send("/sign-out").status_code == 303


@pytest.mark.usefixtures("ann")
def test_pages_stay_out_of_caches_and_run_no_script(person: Person) -> None:
    person.sign_in()
    for path in ("/", "/sign-in", "/sign-out", "/password", "/sign-up", "/nothing"):
        page = person.get(path)
        assert page.headers["Cache-Control"] == "no-store"
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "'unsafe" not in policy
        assert "<script" not in page.text
        assert " style=" not in page.text
        assert " onclick=" not in page.text


def test_fields_say_what_they_are_for_password_managers(person: Person) -> None:
    page = person.get("/sign-in").text
    assert 'autocomplete="username"' in page
    assert 'autocomplete="current-password"' in page
    page = person.get("/sign-up").text
    assert page.count('autocomplete="new-password"') == 2


@pytest.mark.usefixtures("ann")
def test_an_older_hash_is_renewed_at_sign_in(person: Person, accounts_app: Flask) -> None:
    from apps.accounts import hashing

    with accounts_app.app_context():
        before = models.named("ann")
        assert before
        hashing_before = hashing.current()
    accounts_app.config["HASH_PASSES"] = 2
    hashing.init_app(accounts_app)
    with accounts_app.app_context():
        assert hashing.current() is not hashing_before
    assert person.sign_in().status_code == 303
    with accounts_app.app_context():
        after = models.named("ann")
        assert after
        assert "t=2" in after.password_hash
    assert person.sign_in().status_code == 303
