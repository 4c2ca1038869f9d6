"""Positions that are kept until their ledger changes.

Each process keeps those that were asked for last, up to a limit.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable

from flask import Flask, current_app

from apps.trades.ledger import store, versions
from apps.trades.ledger.positions import Book, reckon

ROOM = 100_000
"""Positions and days that a process keeps: some 30 MB."""

_EXTENSION = "trades_books"


def init_app(app: Flask) -> None:
    """Give ``app`` a shelf of its own."""
    app.extensions[_EXTENSION] = Shelf(ROOM)


def book_of(owner: str) -> Book:
    """Return all positions of ``owner``, as they are now; not to be changed."""
    shelf: Shelf = current_app.extensions[_EXTENSION]
    # The version first: trades that come between the two belong to a later one.
    version = versions.current(owner)
    return shelf.book(owner, version, lambda: reckon(store.chronological(owner)))


@dataclasses.dataclass
class _Place:
    """The place of one owner's book; whoever makes it holds the lock."""

    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    version: str | None = None
    book: Book | None = None
    size: int = 0


class Shelf:
    """Books by owner, each of one version; threads may ask for any at once.

    Args:
        room: positions and days of all books together; what was not asked for longest goes first.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._lock = threading.Lock()
        self._places: OrderedDict[str, _Place] = OrderedDict()

    def book(self, owner: str, version: str, make: Callable[[], Book]) -> Book:
        """Return the book of this version, made where there is none; others wait meanwhile."""
        with self._lock:
            place = self._places.setdefault(owner, _Place())
            self._places.move_to_end(owner)
        with place.lock:
            book = place.book
            if book is None or place.version != version:
                book = make()
                place.book, place.version = book, version
                place.size = 1 + len(book.positions) + len(book.by_day)
                self._make_room()
        return book

    def _make_room(self) -> None:
        with self._lock:
            taken = sum(place.size for place in self._places.values())
            while taken > self._room:
                _, place = self._places.popitem(last=False)
                taken -= place.size
