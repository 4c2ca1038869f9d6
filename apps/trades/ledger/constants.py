"""What a trade may look like."""

from __future__ import annotations

SYMBOL_PATTERN = r"[A-Za-z][A-Za-z0-9.-]{0,11}"
"""As somebody may write it; it is kept in capitals."""

DECIMAL_PATTERN = r"[0-9]{1,12}(\.[0-9]{1,8})?"
"""A plain decimal number: no sign, no exponent, ASCII digits."""

PAGE_SIZE = 50
"""Trades on a page where no config says so, as when the app is mounted under a second name."""

PLACE_PATTERN = r"[1-9][0-9]{0,5}_[0-9]{1,18}"
"""A place in the order of trades: a day as a number, to the year 2738, and an id."""
