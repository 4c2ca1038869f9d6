"""Positions that are kept are those that would be reckoned now."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.trades.database import db
from apps.trades.ledger import books, forms, store, versions
from apps.trades.ledger.books import Shelf, book_of
from apps.trades.ledger.bulk import add_new
from apps.trades.ledger.models import row_of
from apps.trades.ledger.positions import Book, reckon
from tests.apps.trades.trader import TRADE, Trader


def book(days: int = 0) -> Book:
    return Book(positions=[], realised=Decimal(days), by_day=[None] * days)  # type: ignore[list-item]


def never() -> Book:
    raise AssertionError("it is kept")


changes = st.one_of(
    st.tuples(
        st.sampled_from(["record", "import"]),
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(["buy", "sell"]),
        st.integers(1, 9),
        st.integers(1, 9),
        st.integers(1, 3),
    ),
    st.tuples(st.just("delete"), st.sampled_from(["ann", "bob"]), st.integers(0, 5)),
)


@pytest.mark.parametrize("served", [("", "sqlite"), ("", "postgresql")], indirect=True)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(changes, min_size=1, max_size=12))
def test_what_is_kept_is_what_would_be_reckoned(
    trades_app: Flask, made: list[tuple[object, ...]]
) -> None:
    for change in made:
        with trades_app.app_context():
            apply(change)
            for owner in ("ann", "bob"):
                assert book_of(owner) == reckon(store.chronological(owner))


def apply(change: tuple[object, ...]) -> None:
    how, owner = change[0], str(change[1])
    if how == "delete":
        trades = store.newest(owner, store.Filter(), size=9).trades
        if trades:
            assert isinstance(change[2], int)
            store.remove(owner, trades[change[2] % len(trades)].id)
        return
    _, _, side, quantity, price, day = change
    draft = forms.read(
        TRADE
        | {"side": side, "quantity": str(quantity), "price": str(price)}
        | {"traded_on": f"2024-05-0{day}"}
    )
    if how == "record":
        store.add(owner, draft)
    else:
        with db.write() as session:
            add_new(session, owner, [row_of(owner, draft, 1)])


def test_positions_are_reckoned_once_until_something_changes(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    reckoned = []

    def noted(owner: str) -> object:
        reckoned.append(owner)
        return chronological(owner)

    chronological = store.chronological
    monkeypatch.setattr(store, "chronological", noted)
    bob = Trader(trader.app, trader.prefix, name="bob")

    place = trader.send_json().location
    for _ in range(2):
        assert "ACME" in trader.get(f"{trader.ledger}positions").text
        assert "ACME" in trader.client.get(f"{trader.api}/positions").text
        assert "No positions" in bob.get(f"{bob.ledger}positions").text
    assert reckoned == ["ann", "bob"]

    trader.client.delete(place)
    bob.send_json()
    for _ in range(2):
        assert "No positions" in trader.get(f"{trader.ledger}positions").text
        assert "ACME" in bob.get(f"{bob.ledger}positions").text
    assert reckoned == ["ann", "bob", "ann", "bob"]


def test_a_change_that_is_rolled_back_changes_no_version(trades_app: Flask) -> None:
    with trades_app.app_context():
        store.add("ann", forms.read(TRADE))
        before = versions.current("ann")
        with pytest.raises(ZeroDivisionError), db.write() as session:
            versions.renew(session, "ann")
            raise ZeroDivisionError
        assert versions.current("ann") == before
        assert versions.current("bob") == ""


def test_apps_of_one_process_have_shelves_of_their_own(trades_app: Flask) -> None:
    other = Flask("other")
    books.init_app(other)
    with trades_app.app_context():
        store.add("ann", forms.read(TRADE))
        assert book_of("ann").positions
    assert other.extensions["trades_books"] is not trades_app.extensions["trades_books"]


def test_threads_wait_for_the_one_that_reckons() -> None:
    shelf, begun, go_on = Shelf(10), threading.Event(), threading.Event()
    made = []

    def make() -> Book:
        begun.set()
        go_on.wait(30)
        made.append(1)
        return book()

    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(shelf.book, "ann", "1", make)]
        assert begun.wait(30)
        asked += [threads.submit(shelf.book, "ann", "1", make) for _ in range(3)]
        # Nobody else has to wait meanwhile.
        assert shelf.book("bob", "1", book) == book()
        go_on.set()
        assert len({id(each.result(30)) for each in asked}) == 1
    assert made == [1]


def test_what_cannot_be_reckoned_is_tried_again() -> None:
    shelf = Shelf(10)

    def fail() -> Book:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        shelf.book("ann", "1", fail)
    assert shelf.book("ann", "1", book) is shelf.book("ann", "1", never)


def test_the_shelf_has_room_for_so_much_and_keeps_what_was_asked_for_last() -> None:
    shelf = Shelf(10)
    for owner in ("ann", "bob"):
        shelf.book(owner, "1", lambda: book(4))
    shelf.book("ann", "1", never)
    shelf.book("cat", "1", lambda: book(4))
    shelf.book("ann", "1", never)
    with pytest.raises(AssertionError, match="it is kept"):
        shelf.book("bob", "1", never)


def test_a_book_that_is_too_large_is_given_and_not_kept() -> None:
    shelf = Shelf(10)
    assert shelf.book("ann", "1", lambda: book(11)) == book(11)
    assert shelf.book("ann", "1", lambda: book(1)) == book(1)
