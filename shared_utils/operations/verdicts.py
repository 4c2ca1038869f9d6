"""What can be wrong with an app."""

from __future__ import annotations

import dataclasses
import enum


class Kind(enum.IntEnum):
    """What may be wrong; a greater one is worse."""

    MAINTENANCE = 1
    STARTING = 2
    GREEDY = 3
    CHECK = 4
    SHEDDING = 5
    FAILING = 6
    HANGING = 7
    DOWN = 8

    @property
    def word(self) -> str:
        """The word for it."""
        return self.name.lower()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """One thing that is wrong.

    Attributes:
        kind: what.
        words: one sentence about it, without a full stop.
    """

    kind: Kind
    words: str
