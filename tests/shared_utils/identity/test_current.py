"""Who is signed in, in a request."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from flask import Flask

from shared_utils.identity import Identity, current_identity
from shared_utils.identity.keys import PrivateKey
from shared_utils.identity.tokens import issue


def test_nobody_is_signed_in_without_a_token(sibling: Flask) -> None:
    assert sibling.test_client().get("/who").text == "nobody"


def test_the_cookie_says_who(sibling: Flask, private_key: PrivateKey, ann: Identity) -> None:
    client = sibling.test_client()
    client.set_cookie("rowhouse_identity", issue(ann, private_key.current()))

    assert client.get("/private").text == "7 ann"
    assert client.get("/who").text == "ann"


def test_a_bearer_token_counts_before_the_cookie(
    sibling: Flask, private_key: PrivateKey, ann: Identity
) -> None:
    client = sibling.test_client()
    client.set_cookie("rowhouse_identity", issue(ann, private_key.current()))
    bob = issue(Identity(id="8", name="bob"), private_key.current())

    for scheme in ("Bearer", "bearer"):
        answer = client.get("/private", headers={"Authorization": f"{scheme} {bob}"})
        assert answer.text == "8 bob"
    assert client.get("/private", headers={"Authorization": "Bearer x"}).status_code == 401
    assert client.get("/private", headers={"Authorization": "Bearer"}).status_code == 401
    basic = client.get("/private", headers={"Authorization": "Basic YTpi"})
    assert basic.text == "7 ann"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "\xff" * 20, "x" * 5000])
def test_a_cookie_that_proves_nothing_is_nobody(
    sibling: Flask, private_key: PrivateKey, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = sibling.test_client()
    with caplog.at_level(logging.INFO):
        answer = client.get("/who", headers={"Cookie": f"rowhouse_identity={token}"})
    assert answer.text == "nobody"
    assert not token or token not in caplog.text


def test_an_expired_token_is_nobody(sibling: Flask, private_key: PrivateKey, ann: Identity) -> None:
    client = sibling.test_client()
    client.set_cookie("rowhouse_identity", issue(ann, private_key.current(), lifetime=-60))

    assert client.get("/who").text == "nobody"


def test_one_lookup_serves_the_whole_request(
    sibling: Flask,
    private_key: PrivateKey,
    ann: Identity,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = issue(ann, private_key.current())
    with sibling.test_request_context(headers={"Cookie": f"rowhouse_identity={token}"}):
        first = current_identity()
        monkeypatch.setattr("shared_utils.identity.current.verify", None)
        assert current_identity() is first


def test_a_response_about_somebody_is_for_them_alone(sibling: Flask) -> None:
    client = sibling.test_client()
    about = client.get("/who")
    assert about.headers["Cache-Control"] == "private, no-cache"
    assert {"cookie", "authorization"} <= {each.lower() for each in about.vary}
    plain = client.get("/plain")
    assert "Cache-Control" not in plain.headers
    assert not plain.vary


def test_outside_of_a_request_nobody_is_signed_in(sibling: Flask) -> None:
    assert current_identity() is None
    with sibling.app_context():
        assert current_identity() is None


def test_an_app_that_forgot_is_told_what_to_write() -> None:
    with (
        Flask("forgetful").test_request_context(),
        pytest.raises(LookupError, match=r"call shared_utils.identity.init_app\(app\)"),
    ):
        current_identity()


@pytest.mark.parametrize(("text", "who"), [("ann", "ann"), ("ann:operator", "ann"), ("", "nobody")])
def test_the_development_identity(
    sibling: Flask, monkeypatch: pytest.MonkeyPatch, text: str, who: str
) -> None:
    monkeypatch.setenv("ROWHOUSE_DEV_IDENTITY", text)
    assert sibling.test_client().get("/who").text == "nobody"
    sibling.debug = True
    assert sibling.test_client().get("/who").text == who
    assert sibling.test_client().get("/console").status_code == (
        200 if "operator" in text else 403 if text else 401
    )


def test_the_development_identity_is_for_an_app_alone(
    make_sibling: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWHOUSE_DEV_IDENTITY", "ann:operator")
    app = make_sibling(row={"trades": object()}, issuer="")
    app.debug = True
    assert app.test_client().get("/who").text == "nobody"


def test_a_development_identity_that_cannot_be_read(
    sibling: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWHOUSE_DEV_IDENTITY", "ann operator")
    sibling.debug = True
    with (
        sibling.test_request_context(),
        pytest.raises(ValueError, match="ROWHOUSE_DEV_IDENTITY: found 'ann operator'; write NAME"),
    ):
        current_identity()
