"""Values that a field chooses from."""

from __future__ import annotations

import enum


class Side(enum.StrEnum):
    """Whether we gave money or took it."""

    BUY = "buy"
    SELL = "sell"
