"""A password that is reset while somebody still uses the one before: the reset stands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from apps.accounts.hashing import Hashing
from apps.accounts.users import models
from tests.apps.accounts.person import PASSWORD, Person

NEW, RESET = "another good password", "made-by-the-operator"


def reset_after_the_next_look(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the operator give ann another password just after the current one was found right."""
    verify = Hashing.verify

    def verified(self: Hashing, hashed: str | None, password: str) -> bool:
        monkeypatch.undo()
        found = verify(self, hashed, password)
        with app.app_context():
            ann = models.named("ann")
            assert ann
            models.set_password(ann, RESET, must_change=True)
        return found

    monkeypatch.setattr(Hashing, "verify", verified)


def is_reset(app: Flask) -> bool:
    with app.app_context():
        ann = models.named("ann")
        assert ann
        return ann.must_change_password and models.authenticated("ann", RESET) is not None


def test_a_change_with_the_password_before(
    person: Person, accounts_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.sign_up()
    token = person.form_token("/password")
    reset_after_the_next_look(accounts_app, monkeypatch)

    answer = person.post("/password", csrf_token=token, current=PASSWORD, password=NEW, again=NEW)

    assert answer.status_code == 422
    assert "This is not your current password." in answer.text
    assert is_reset(accounts_app)


def test_a_sign_in_that_brings_an_old_hash_up_to_date(
    make_accounts: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_accounts().app_context():
        models.add("ann", PASSWORD)
    app = make_accounts(HASH_PASSES=2)
    reset_after_the_next_look(app, monkeypatch)

    with app.app_context():
        models.authenticated("ann", PASSWORD)

    assert is_reset(app)
