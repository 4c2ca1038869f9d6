"""Names of headers that were looked at once, and need no second look."""

from __future__ import annotations

MOST, LONGEST = 256, 64


class KnownNames(set[str]):
    """Names as they were written, few and short: clients and apps may make up others without end.

    They outlive their request. So there is nothing among them of an app's own class, which would
    compare itself with a neighbour's headers.
    """

    def learn(self, name: object) -> None:
        """Take a name in, unless it is none to be kept."""
        if type(name) is str and len(name) <= LONGEST:
            if len(self) >= MOST:
                self.clear()
            self.add(name)
