"""The lines of a file for ``csv.reader``, none of them longer than may be held.

``csv.reader`` joins lines while a quotation mark is open. Where one is never closed it would take
the rest of the file for one field; so a row has a limit of lines, and those taken in vain are given
out again.
"""

from __future__ import annotations

from collections import deque
from typing import TextIO

from apps.trades.imports.constants import MAX_LINE, MAX_ROW_LINES


class LineError(ValueError):
    """A line that no row can be read from, with a sentence that says why."""


class Lines:
    """An iterator over lines, which may go on after it has raised.

    Attributes:
        number: of the line that was given out last; the first is 1.
    """

    def __init__(self, text: TextIO) -> None:
        self.number = 0
        self._text = text
        self._again: deque[str | None] = deque()  # None: a line that was too long
        self._taken: list[str | None] = []

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        """Return the next line.

        Raises:
            LineError: the line is too long, or one too many for a row.
        """
        if len(self._taken) == MAX_ROW_LINES:
            raise LineError(
                f"A quotation mark is opened here and not closed within {MAX_ROW_LINES} lines."
            )
        line = self._again.popleft() if self._again else self._read()
        if line == "":
            raise StopIteration
        self._taken.append(line)
        self.number += 1
        if line is None:
            raise LineError(f"The line is longer than {MAX_LINE} characters.")
        return line

    def begin_row(self) -> int:
        """Note that what comes next is a new row; return the number of its first line."""
        self._taken.clear()
        return self.number + 1

    def give_back(self) -> None:
        """Give out the lines of this row again, all but the first."""
        self._again.extendleft(reversed(self._taken[1:]))
        self.number -= max(0, len(self._taken) - 1)

    def _read(self) -> str | None:
        line = self._text.readline(MAX_LINE)
        if len(line) < MAX_LINE or line.endswith(("\n", "\r")):
            return line
        while (rest := self._text.readline(MAX_LINE)) and not rest.endswith(("\n", "\r")):
            pass
        return None
