"""Commands for the operator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from apps.accounts import create_app
from apps.accounts.database import db
from apps.accounts.users import models
from apps.accounts.users.enums import Role
from shared_utils.database import upgrade
from tests.apps.accounts.person import PASSWORD, Person


@pytest.fixture
def app(accounts_config: dict[str, Any]) -> Iterator[Flask]:
    app = create_app(accounts_config)
    upgrade(app)
    yield app
    with app.app_context():
        db.engine.dispose()


def run(app: Flask, *arguments: str, sent: str = "") -> Result:
    return app.test_cli_runner().invoke(args=list(arguments), input=sent)


def shown_password(result: Result) -> str:
    found = re.search(r"one-time password: +(\S+)", result.output)
    assert found, result.output
    return found[1]


def user(app: Flask, name: str) -> models.User | None:
    with app.app_context():
        return models.named(name)


def test_a_user_is_made_with_a_password_that_is_asked_for(app: Flask) -> None:
    result = run(app, "create-user", "Ann", "--role", "operator", sent=f"{PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    assert "ann is made, with the role operator." in result.output
    assert PASSWORD not in result.output
    made = user(app, "ann")
    assert made is not None
    assert (made.role, made.must_change_password) == (Role.OPERATOR, False)
    assert Person(app, "").sign_in("ann").status_code == 303


def test_a_user_is_made_with_a_password_from_a_script(app: Flask) -> None:
    result = run(app, "create-user", "bob", "--password-stdin", sent=f"{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    made = user(app, "bob")
    assert made is not None
    assert made.role == Role.USER
    assert Person(app, "").sign_in("bob").status_code == 303


def test_a_user_is_made_with_a_one_time_password(app: Flask) -> None:
    result = run(app, "create-user", "eve", "--one-time")
    person = Person(app, "")
    answer = person.sign_in("eve", shown_password(result))
    assert answer.headers["Location"] == "/password"


@pytest.mark.parametrize(
    ("arguments", "sent", "status", "said"),
    [
        (["ann smith"], "", 2, "2 to 32 small letters"),
        (["bob", "--role", "root"], "", 2, "'root' is not one of"),
        (["bob", "--password-stdin"], "short\n", 1, "Write 10 to 256 characters."),
        (["bob", "--password-stdin", "--one-time"], "", 2, "do not go together"),
        (["ann", "--one-time"], "", 1, "ann is taken"),
    ],
)
def test_a_user_that_cannot_be_made(
    app: Flask, arguments: list[str], sent: str, status: int, said: str
) -> None:
    with app.app_context():
        models.add("ann", PASSWORD)
    result = run(app, "create-user", *arguments, sent=sent)
    assert result.exit_code == status
    assert said in result.output


def test_a_forgotten_password_is_reset(app: Flask) -> None:
    with app.app_context():
        models.add("ann", PASSWORD)
    password = shown_password(run(app, "reset-password", "ann"))
    person = Person(app, "")
    assert person.sign_in("ann", PASSWORD).status_code == 422
    assert person.sign_in("ann", password).headers["Location"] == "/password"
    result = run(app, "reset-password", "bob")
    assert (result.exit_code, "there is no user 'bob'" in result.output) == (1, True)


def test_the_first_operator_is_made_once(app: Flask) -> None:
    first = run(app, "prepare")
    assert first.exit_code == 0
    made = user(app, "operator")
    assert made is not None
    assert (made.role, made.must_change_password) == (Role.OPERATOR, True)
    answer = Person(app, "").sign_in("operator", shown_password(first))
    assert answer.headers["Location"] == "/password"

    again = run(app, "prepare")
    assert (again.exit_code, again.output) == (0, "")


def test_where_there_is_an_operator_none_is_made(app: Flask) -> None:
    run(app, "create-user", "ann", "--role", "operator", "--one-time")
    assert run(app, "prepare").output == ""
    assert user(app, "operator") is None


def test_where_a_user_has_the_name_it_is_told(app: Flask) -> None:
    run(app, "create-user", "operator", "--one-time")
    result = run(app, "prepare")
    assert result.exit_code == 1
    assert "create-user NAME --role operator" in result.output


@pytest.mark.parametrize("command", [["prepare"], ["create-user", "ann", "--one-time"]])
def test_without_tables_it_is_told_how_to_make_them(
    accounts_config: dict[str, Any], command: list[str]
) -> None:
    app = create_app(accounts_config)
    result = run(app, *command)
    assert result.exit_code == 1
    assert "run: rowhouse db upgrade" in result.output
    with app.app_context():
        db.engine.dispose()


def test_the_key_is_rotated(app: Flask) -> None:
    person = Person(app, "")
    person.sign_up("ann")
    result = run(app, "rotate-key")
    assert "Tokens are signed with" in result.output
    assert person.is_signed_in
    result = run(app, "rotate-key", "--retire")
    assert "Keys taken away: 2. Everybody has to sign in again." in result.output
    assert not person.is_signed_in
    assert person.sign_in().status_code == 303
    assert person.is_signed_in


def test_one_time_passwords_are_good_and_all_different() -> None:
    made = {models.one_time_password() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"[a-z2-9]{5}(-[a-z2-9]{5}){3}", password) for password in made)
