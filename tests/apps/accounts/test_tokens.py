"""Tokens for programs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.sessions import PRIVATE_KEY
from shared_utils.identity.tokens import LIFETIME, verify
from tests.apps.accounts.person import PASSWORD, Person


def test_a_program_gets_a_token(person: Person, accounts_app: Flask) -> None:
    person.sign_up("ann")
    program = Person(accounts_app, person.prefix)
    answer = program.token(name="ann", password=PASSWORD)

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", LIFETIME)
    key = accounts_app.extensions[PRIVATE_KEY].current()
    assert verify(answer.json["access_token"], {key.kid: key}).name == "ann"
    assert program.identity is None


@pytest.mark.parametrize(
    ("name", "password"), [("ann", "wrong"), ("bob", PASSWORD), ("ann\ud800", "\ud800")]
)
def test_what_is_wrong_gets_401(person: Person, name: str, password: str) -> None:
    person.sign_up("ann")
    answer = person.token(name=name, password=password)
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    assert answer.headers["WWW-Authenticate"] == "Bearer realm=rowhouse"
    assert json.loads(answer.text)["detail"] == "Name or password is wrong."


@pytest.mark.parametrize(
    "sent",
    [
        None,
        [],
        "ann",
        1,
        {},
        {"name": "ann"},
        {"name": "ann", "password": ""},
        {"name": "ann", "password": 1},
        {"name": ["ann"], "password": PASSWORD},
        {"name": "a" * 300, "password": PASSWORD},
        {"name": "ann", "password": "x" * 5000},
    ],
)
def test_what_cannot_be_read_gets_400(person: Person, sent: Any) -> None:
    answer = person.client.post(
        f"{person.prefix}/api/v1/token",
        data=json.dumps(sent),
        content_type="application/json",
    )
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"name": NaN', b"[" * 50000])
def test_what_is_no_json_gets_400(person: Person, body: bytes) -> None:
    answer = person.client.post(
        f"{person.prefix}/api/v1/token", data=body, content_type="application/json"
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_no_form_of_another_site_can_ask(person: Person, content_type: str) -> None:
    body = json.dumps({"name": "ann", "password": PASSWORD})
    answer = person.client.post(
        f"{person.prefix}/api/v1/token", data=body, content_type=content_type
    )
    assert answer.status_code == 415


def test_only_post(person: Person) -> None:
    assert person.client.get(f"{person.prefix}/api/v1/token").status_code == 405


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["name", "password"]), inner),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(json_values)
def test_whatever_is_sent_nothing_breaks(accounts_app: Flask, sent: Any) -> None:
    accounts_app.config["SIGN_IN_ADDRESS_RATE"] = "100000 per minute"
    accounts_app.config["SIGN_IN_RATE"] = "100000 per minute"
    answer = accounts_app.test_client().post(
        "/api/v1/token", data=json.dumps(sent).encode(), content_type="application/json"
    )
    assert answer.status_code in (400, 401)
