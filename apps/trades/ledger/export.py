"""Trades as CSV, in the columns that an import reads.

No cell can begin a formula in a spreadsheet: a symbol begins with a letter, the others with a
digit or are ``buy`` and ``sell``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from apps.trades.ledger.fields import plain
from apps.trades.ledger.positions import Traded

HEADER = "traded_on,symbol,side,quantity,price\r\n"


def csv_of(batches: Iterable[Sequence[Traded]]) -> Iterator[str]:
    """Make a file of trades, some lines at a time (RFC 4180)."""
    yield HEADER
    for batch in batches:
        yield "".join(
            f"{traded_on},{symbol},{side.value},{plain(quantity)},{plain(price)}\r\n"
            for traded_on, symbol, side, quantity, price in batch
        )
