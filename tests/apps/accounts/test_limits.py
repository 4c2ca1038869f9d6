"""How often somebody may try."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator

import pytest
import redis
from flask import Flask

from apps.accounts import create_app, limits
from tests.apps.accounts.person import PASSWORD, Person
from tests.requirements import needed

SERVER = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/0")

Make = Callable[..., Flask]


def statuses(person: Person, count: int, **fields: str) -> list[int]:
    return [person.sign_in(**fields).status_code for _ in range(count)]


def test_after_ten_tries_for_a_name_the_rest_is_refused(
    accounts_app: Flask, accounts_prefix: str
) -> None:
    person = Person(accounts_app, accounts_prefix)
    person.sign_up("ann")
    assert statuses(person, 11, password="wrong") == [422] * 10 + [429]

    refused = person.sign_in()
    assert (refused.status_code, refused.mimetype) == (429, "text/html")
    assert "wait a minute" in refused.text
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    program = person.token(name="ANN", password=PASSWORD)
    assert (program.status_code, program.content_type) == (429, "application/problem+json")
    assert person.sign_in("bob").status_code == 422
    assert person.get("/sign-in").status_code == 200
    # Nobody is locked out by somebody else's tries.
    assert Person(accounts_app, accounts_prefix, "192.0.2.2").sign_in().status_code == 303


@pytest.mark.usefixtures("uncollected")
def test_a_body_that_cannot_be_read_does_not_begin_the_count_anew(
    make_accounts: Make, accounts_prefix: str
) -> None:
    person = Person(make_accounts(SIGN_IN_RATE="3 per day"), accounts_prefix)
    tries = [person.token(name="ann", password="wrong").status_code for _ in range(3)]
    assert tries == [401] * 3
    for body in (b"x" * 70000, b"[" * 50000):
        refused = person.client.post(
            f"{accounts_prefix}/api/v1/token",
            data=body,
            content_type="application/json",
            environ_base=person.address,
        )
        assert refused.status_code in (400, 413)
    assert person.token(name="ann", password="wrong").status_code == 429


def test_one_address_does_not_try_many_names(make_accounts: Make, accounts_prefix: str) -> None:
    person = Person(make_accounts(SIGN_IN_ADDRESS_RATE="3 per day"), accounts_prefix)
    assert [person.sign_in(f"user{n}").status_code for n in range(4)] == [422, 422, 422, 429]
    assert person.token(name="user9", password="x").status_code == 429


def test_the_password_page_is_no_way_round(make_accounts: Make, accounts_prefix: str) -> None:
    person = Person(make_accounts(SIGN_IN_RATE="3 per day"), accounts_prefix)
    person.sign_up("ann")
    tries = [person.change_password("wrong", "a new long one").status_code for _ in range(4)]
    assert tries == [422, 422, 422, 429]


def test_sign_up_is_limited(make_accounts: Make, accounts_prefix: str) -> None:
    person = Person(make_accounts(SIGN_UP_RATE="2 per hour"), accounts_prefix)
    assert [person.sign_up(f"user{n}").status_code for n in range(3)] == [303, 303, 429]


def test_answers_say_nothing_of_limits_before(person: Person) -> None:
    person.sign_up("ann")
    assert not {"Retry-After", "X-RateLimit-Limit"} & set(person.sign_in().headers.keys())


@pytest.mark.parametrize(
    ("remote", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("@", "@"),
        ("", "unknown"),
    ],
)
def test_what_counts_as_one_address(remote: str, counted: str) -> None:
    with Flask("x").test_request_context(environ_base={"REMOTE_ADDR": remote}):
        assert limits.address() == counted


@pytest.mark.parametrize("key", sorted(limits.DEFAULTS))
def test_a_rate_that_cannot_be_read_is_told(accounts_config: dict[str, object], key: str) -> None:
    with pytest.raises(ValueError, match=rf'{key} is .often.; write a rate, such as "'):
        create_app(accounts_config | {key: "often"})


@pytest.fixture
def server() -> Iterator[redis.Redis]:
    found = None
    client = redis.Redis.from_url(SERVER, decode_responses=True)
    try:
        client.ping()
        found = client
    except redis.ConnectionError:
        pass
    client = needed(found, "a Redis server (TEST_REDIS_URL)")
    yield client
    client.close()


def test_counted_on_a_server_for_this_app_alone(
    make_accounts: Make, accounts_prefix: str, server: redis.Redis
) -> None:
    name = f"u{uuid.uuid4().hex[:20]}"
    # No zero leads a group: the key has the address in its shortest form.
    address = f"2001:db8:f{uuid.uuid4().hex[:3]}:f{uuid.uuid4().hex[:3]}::1"
    pattern = f"*{address.rpartition('::')[0]}*"
    config = {"RATELIMIT_STORAGE_URI": SERVER, "SIGN_IN_RATE": "3 per day"}
    two = [Person(make_accounts(**config), accounts_prefix, address) for _ in range(2)]
    try:
        assert statuses(two[0], 2, name=name) + statuses(two[1], 2, name=name) == [422] * 3 + [429]
        keys = [str(key) for key in server.keys(pattern)]
        assert keys
        assert all(key.startswith("LIMITS:LIMITER/accounts/") for key in keys), keys
        assert not any(name in key for key in keys)
    finally:
        for key in server.keys(pattern):
            server.delete(key)


def test_without_its_server_it_counts_in_memory(make_accounts: Make, accounts_prefix: str) -> None:
    app = make_accounts(RATELIMIT_STORAGE_URI="redis://127.0.0.1:1/0", SIGN_IN_RATE="3 per day")
    assert statuses(Person(app, accounts_prefix), 4) == [422] * 3 + [429]
