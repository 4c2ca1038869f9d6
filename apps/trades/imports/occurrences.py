"""How often the rows of a file have been seen, counted on disk.

Two equal rows of one file are two trades, and the same two rows in another file are the same two
trades. So a trade is known by what it says and by a number: the how-many-eth of its kind it is. To
count, one has to remember every row; a private temporary database of SQLite does, whose memory does
not grow with the file (https://sqlite.org/inmemorydb.html#temp_db).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

_MAKE = "CREATE TABLE seen (row TEXT PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID"
_SET = "INSERT INTO seen VALUES (?, ?) ON CONFLICT DO UPDATE SET times = excluded.times"
_AT_ONCE = 500
"""Texts that one query asks for: SQLite allows from 999 parameters on."""


class Occurrences:
    """How often texts have been seen; a context manager."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute(_MAKE)
        self._connection.execute("BEGIN")  # or every count would be a transaction

    def __enter__(self) -> Occurrences:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return for each text how often there was such a one, this one included."""
        times = dict(self._seen(texts))
        counts = []
        for text in texts:
            times[text] = number = times.get(text, 0) + 1
            counts.append(number)
        self._connection.executemany(_SET, times.items())
        return counts

    def _seen(self, texts: Sequence[str]) -> Iterator[tuple[str, int]]:
        for start in range(0, len(texts), _AT_ONCE):
            some = texts[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            yield from self._connection.execute(
                f"SELECT row, times FROM seen WHERE row IN ({marks})", some
            )
