"""Passwords as they are kept, a few at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from werkzeug.exceptions import ServiceUnavailable

from apps.accounts import create_app, hashing
from apps.accounts.database import db
from apps.accounts.hashing import DEFAULTS, Hashing
from apps.accounts.users import models
from tests.apps.accounts.person import PASSWORD, Person


def cheap(at_once: int = 2, patience: float = 20) -> Hashing:
    return Hashing(memory=64, passes=1, lanes=1, at_once=at_once, patience=patience)


def test_a_password_is_its_own_and_no_others() -> None:
    kept = cheap().hash(PASSWORD)
    assert cheap().verify(kept, PASSWORD)
    assert not cheap().verify(kept, PASSWORD + "x")
    assert not cheap().verify("nonsense", PASSWORD)
    assert not cheap().verify("", PASSWORD)
    assert cheap().hash(PASSWORD) != kept


def test_nobody_has_no_password() -> None:
    assert not cheap().verify(None, PASSWORD)
    assert not cheap().verify(None, "")


def test_for_nobody_the_same_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is verified differs in salt and digest alone, so that it takes the same time."""
    worked_on: list[str] = []
    verify = PasswordHasher.verify

    def noted(self: PasswordHasher, kept: Any, password: Any) -> Any:
        worked_on.append(kept)
        return verify(self, kept, password)

    monkeypatch.setattr(PasswordHasher, "verify", noted)
    hasher = cheap()
    kept = hasher.hash(PASSWORD)
    for hashed in (kept, None):
        hasher.verify(hashed, "wrong")
    somebodys, nobodys = (each.split("$") for each in worked_on)
    assert somebodys[:4] == nobodys[:4]
    assert [len(part) for part in somebodys] == [len(part) for part in nobodys]


def test_sign_in_takes_the_same_way_with_and_without_a_user(
    accounts_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    with accounts_app.app_context():
        models.add("ann", PASSWORD)
        verify = Hashing.verify

        def noted(self: Hashing, hashed: str | None, password: str) -> bool:
            calls.append("verify")
            return verify(self, hashed, password)

        monkeypatch.setattr(Hashing, "verify", noted)
        assert models.authenticated("ann", "wrong") is None
        assert models.authenticated("bob", "wrong") is None
        assert models.authenticated("no name at all", "wrong") is None
    assert calls == ["verify"] * 3


def test_who_waits_for_their_turn_holds_no_connection(
    accounts_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server has few of them: forty who sign in at once would take them from all others."""
    held: list[str] = []
    with accounts_app.app_context():
        user = models.add("ann", PASSWORD)
        turn = Hashing._turn

        def noted(self: Hashing) -> Any:
            held.append(db.engine.pool.status())
            return turn(self)

        monkeypatch.setattr(Hashing, "_turn", noted)
        assert models.authenticated("ann", PASSWORD)
        found = models.find(str(user.id))
        assert models.is_password(found, PASSWORD)
        assert found
        models.set_password(found, "another good password")
    assert len(held) == 3
    assert all("Current Checked out connections: 0" in status for status in held), held


@pytest.mark.parametrize("at_once", [1, 2])
def test_no_more_than_some_at_once(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, entered, leave = threading.Lock(), threading.Semaphore(0), threading.Event()
    now, most = 0, 0

    def slow(self: PasswordHasher, password: Any) -> str:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        entered.release()
        leave.wait(20)
        with lock:
            now -= 1
        return "x"

    monkeypatch.setattr(PasswordHasher, "hash", slow)
    hasher = cheap(at_once)
    threads = [threading.Thread(target=hasher.hash, args=("x",)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(at_once):
        assert entered.acquire(timeout=20)
    leave.set()
    for thread in threads:
        thread.join(20)
    assert most == at_once


def test_who_waits_too_long_is_told_to_come_again(
    make_accounts: Callable[..., Flask], accounts_prefix: str
) -> None:
    app = make_accounts()
    hasher = app.extensions[hashing.EXTENSION] = cheap(at_once=1, patience=0.01)
    person = Person(app, accounts_prefix)
    with hasher._turn():
        page, program = person.sign_in(), person.token(name="ann", password="x")
    assert (page.status_code, page.mimetype) == (503, "text/html")
    assert (program.status_code, program.content_type) == (503, "application/problem+json")
    assert page.headers["Retry-After"] == program.headers["Retry-After"] == "5"
    assert person.sign_in().status_code == 422  # the turn was given back


def test_an_error_gives_the_turn_back(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = cheap(at_once=1, patience=0.01)
    monkeypatch.setattr(PasswordHasher, "hash", lambda self, password: 1 / 0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            hasher.hash("x")
    with hasher._turn(), pytest.raises(ServiceUnavailable):
        hasher.hash("x")


@pytest.mark.parametrize("key", sorted(DEFAULTS))
@pytest.mark.parametrize("value", [0, -1, "8", 1.5, None, True])
def test_config_that_makes_no_sense_is_told(
    accounts_config: dict[str, Any], key: str, value: object
) -> None:
    with pytest.raises(ValueError, match=rf"{key} is .*; write a whole number above 0, such as"):
        create_app(accounts_config | {key: value})


def test_lanes_need_memory(accounts_config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="HASH_MEMORY is 8; write at least 32"):
        create_app(accounts_config | {"HASH_MEMORY": 8, "HASH_LANES": 4})


def test_by_default_it_is_what_the_rfc_says() -> None:
    """RFC 9106, section 4: the second recommended option."""
    assert [DEFAULTS[key] for key in ("HASH_PASSES", "HASH_LANES", "HASH_MEMORY")] == [3, 4, 65536]
