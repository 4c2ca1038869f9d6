"""Sign-up, and the password."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from apps.accounts.database import db
from apps.accounts.users import models
from apps.accounts.users.enums import Role
from tests.apps.accounts.person import PASSWORD, Person

NEW = "another good password"


def test_sign_up_signs_in(person: Person, accounts_app: Flask) -> None:
    answer = person.sign_up("Ann", next="/trades/")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/trades/")
    assert person.is_signed_in
    with accounts_app.app_context():
        user = models.named("ann")
        assert user is not None
        assert (user.name, user.role, user.must_change_password) == ("ann", Role.USER, False)
        assert user.password_hash.startswith("$argon2id$")
        assert PASSWORD not in user.password_hash


@pytest.mark.parametrize("name", ["kim", "KIM", " kim\t", "\u212aim"])
def test_a_name_is_given_once(person: Person, name: str) -> None:
    """The sign for kelvin is written as a K, and taken for one."""
    person.sign_up("kim")
    answer = person.sign_up(name)
    assert answer.status_code == 422
    assert "This name is taken" in answer.text


@pytest.mark.parametrize(
    "name",
    [
        *("", "a", "1ann", "ann smith", "ann\u00a0b", "ann\nb", "-ann", "<b>", "a\0b", "ann\0"),
        *("änn", "a\u0308nn", "\u0430nn", "\uff41\uff4e\uff4e", "an\u0131", "ﬁnn", "an\u200bn"),
        *("a" * 33, "a" * 60_000),
    ],
)
def test_what_is_no_name_is_refused(person: Person, name: str) -> None:
    answer = person.sign_up(name)
    assert answer.status_code == 422
    assert "<b>" not in answer.text


@pytest.mark.parametrize(
    ("password", "again", "said"),
    [
        ("short", "short", "Write 10 to 256 characters."),
        ("x" * 257, "x" * 257, "Write 10 to 256 characters."),
        ("password123", "password123", "one of the first"),
        ("aaaaaaaaaaaa", "aaaaaaaaaaaa", "one of the first"),
        ("ann-is-my-name", "ann-is-my-name", "one of the first"),
        (PASSWORD, PASSWORD + "x", "write the same"),
        (PASSWORD, "", "Write something here."),
    ],
)
def test_what_is_no_good_password_is_refused_and_not_shown_again(
    person: Person, password: str, again: str, said: str
) -> None:
    answer = person.sign_up("ann", password, again=again)
    assert answer.status_code == 422
    assert said in answer.text
    assert password not in answer.text
    assert 'value="ann"' in answer.text
    assert person.identity is None


def test_a_password_may_be_written_on_any_keyboard(person: Person) -> None:
    person.sign_up("ann", "cafe\u0301 und größe ﬁ")
    assert person.sign_in("ann", "caf\u00e9 und größe fi").status_code == 303


def test_all_of_a_password_counts(person: Person) -> None:
    """Not what stands before a NUL alone, as for what is written in C, nor 72 bytes (bcrypt)."""
    password = "x1 \0" + "long " * 50
    assert person.sign_up("ann", password).status_code == 303
    assert person.sign_in("ann", password[:-1] + "x").status_code == 422
    assert person.sign_in("ann", password.replace("\0", "\1")).status_code == 422
    assert person.sign_in("ann", password).status_code == 303


def test_sign_up_can_be_closed(make_accounts: Callable[..., Flask], accounts_prefix: str) -> None:
    person = Person(make_accounts(SIGN_UP=False), accounts_prefix)
    assert person.get("/sign-up").status_code == 403
    assert "Sign up" not in person.get("/sign-in").text
    assert "Sign up" not in person.get().text


def test_the_password_is_changed(person: Person) -> None:
    person.sign_up("ann")
    answer = person.change_password(PASSWORD, NEW)

    assert answer.status_code == 303
    assert "Your password is changed." in person.get().text
    assert person.sign_in("ann", PASSWORD).status_code == 422
    assert person.sign_in("ann", NEW).status_code == 303


@pytest.mark.parametrize(
    ("current", "new", "said"),
    [
        ("wrong", NEW, "not your current password"),
        (PASSWORD, PASSWORD, "This is the current password"),
        (PASSWORD, "short", "Write 10 to 256"),
    ],
)
def test_the_password_stays(person: Person, current: str, new: str, said: str) -> None:
    person.sign_up("ann")
    answer = person.change_password(current, new)
    assert answer.status_code == 422
    assert said in answer.text
    assert person.sign_in("ann", PASSWORD).status_code == 303


def test_the_password_page_is_for_those_alone_who_are_signed_in(person: Person) -> None:
    answer = person.get("/password")
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{person.prefix}/sign-in?next=")


def test_a_user_who_has_gone_is_signed_out(person: Person, accounts_app: Flask) -> None:
    person.sign_up("ann")
    with accounts_app.app_context(), db.write() as session:
        session.delete(session.get(models.User, 1))
    assert person.get("/password").status_code == 303
    assert person.identity is None


def test_an_id_is_never_given_twice(accounts_app: Flask) -> None:
    with accounts_app.app_context():
        first = models.add("ann", PASSWORD)
        with db.write() as session:
            session.delete(session.get(models.User, first.id))
        assert models.add("bob", PASSWORD).id > first.id


@pytest.mark.parametrize("user_id", ["", "x", "-1", "1.5", "²", "9" * 30, "0"])
def test_an_id_that_nobody_has(accounts_app: Flask, user_id: str) -> None:
    with accounts_app.app_context():
        assert models.find(user_id) is None


# One-time passwords.


@pytest.fixture
def operator(accounts_app: Flask) -> str:
    """Make an operator; return the one-time password."""
    password = models.one_time_password()
    with accounts_app.app_context():
        models.add("operator", password, role=Role.OPERATOR, must_change_password=True)
    return password


def test_a_one_time_password_has_to_be_changed_first(person: Person, operator: str) -> None:
    answer = person.sign_in("operator", operator, next="/ops/")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{person.prefix}/password?next=/ops/"
    assert person.identity is None
    assert not person.is_signed_in
    page = person.get("/password", next="/ops/")
    assert "Your password was for one time" in page.text

    answer = person.change_password(operator, NEW, next="/ops/")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/ops/")
    assert person.is_signed_in
    assert person.sign_in("operator", operator).status_code == 422
    assert person.sign_in("operator", NEW, next="/ops/").headers["Location"] == "/ops/"


def test_it_signs_out_whoever_was_there_before(person: Person, operator: str) -> None:
    person.sign_up("ann")
    person.sign_in("operator", operator)
    assert person.identity is None
    assert 'value="operator"' in person.get("/password").text


def test_it_does_not_last(person: Person, operator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.accounts.sessions.signing._HALF_IN_SECONDS", -1)
    person.sign_in("operator", operator)
    assert person.get("/password").headers["Location"].startswith(f"{person.prefix}/sign-in")


def test_a_copy_of_its_session_is_worth_nothing_after_the_change(
    person: Person, operator: str
) -> None:
    person.sign_in("operator", operator)
    [copy] = [each for each in person.client._cookies.values() if "session" in each.key]  # type: ignore[union-attr]
    person.change_password(operator, NEW)
    person.send("/sign-out")
    person.client.set_cookie(copy.key, copy.value, path=copy.path)
    assert person.get("/password").headers["Location"].startswith(f"{person.prefix}/sign-in")


def test_it_gives_no_token_to_programs(person: Person, operator: str) -> None:
    answer = person.token(name="operator", password=operator)
    assert answer.status_code == 403
    assert "change it first" in answer.text
