"""Reading trades from CSV (RFC 4180), a row at a time: memory does not grow with the file.

The first line names the columns, in any order and among others that are not looked at. A row that
cannot be a trade is told with its line and what to write instead, and the next one is read.
"""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import BinaryIO, NamedTuple

from apps.trades.imports.constants import COLUMNS, DELIMITERS, FORMULA_SIGNS, OTHER_NAMES
from apps.trades.imports.lines import LineError, Lines
from apps.trades.imports.survey import UnreadableFileError
from apps.trades.ledger import fields
from apps.trades.ledger.enums import Side

_SHOWN = 40
"""Characters of a field that are quoted to say what is wrong with it."""


class Row(NamedTuple):
    """A row that is a trade, and the line that it begins in."""

    line: int
    traded_on: datetime.date
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal


class Refusal(NamedTuple):
    """A row that is none, the line that it begins in, and what is wrong with it."""

    line: int
    message: str


def read(file: BinaryIO) -> Iterator[Row | Refusal]:
    """Read the rows of a file that :func:`~apps.trades.imports.survey.survey` has looked through.

    Raises:
        UnreadableFileError: the first line does not name the columns.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        lines = Lines(text)
        header, delimiter = _header(lines)
        places = _places(header)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        while True:
            line = lines.begin_row()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, LineError) as error:
                lines.give_back()
                yield Refusal(line, _why(error))
                continue
            if any(cells) and not all(not cell or cell.isspace() for cell in cells):
                yield _row(line, cells, places, len(header))
    finally:
        text.detach()


def _header(lines: Lines) -> tuple[list[str], str]:
    """Return the names in the first line that is not blank, and what stands between them."""
    line = "\n"
    while not line.strip():
        lines.begin_row()
        try:
            line = next(lines)
        except StopIteration:
            raise UnreadableFileError("The file is blank.") from None
        except LineError as error:
            raise UnreadableFileError(f"Line {lines.number} has to name columns. {error}") from None
    delimiter = max(DELIMITERS, key=lambda each: len(set(_names(line, each)) & set(COLUMNS)))
    return _names(line, delimiter), delimiter


def _names(line: str, delimiter: str) -> list[str]:
    try:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        cells = []
    names = [cell.strip().lower().replace(" ", "_").replace("-", "_") for cell in cells]
    return [OTHER_NAMES.get(name, name) for name in names]


def _places(header: Sequence[str]) -> list[int]:
    """Return where each of COLUMNS stands."""
    missing = [name for name in COLUMNS if name not in header]
    twice = [name for name in COLUMNS if header.count(name) > 1]
    if missing:
        raise UnreadableFileError(
            f"The first line has to name the columns {', '.join(COLUMNS)}; "
            f"missing: {', '.join(missing)}."
        )
    if twice:
        raise UnreadableFileError(f"The first line names a column twice: {', '.join(twice)}.")
    return [header.index(name) for name in COLUMNS]


def _row(line: int, cells: list[str], places: Sequence[int], width: int) -> Row | Refusal:
    if len(cells) != width and (len(cells) < width or any(cells[width:])):
        return Refusal(line, f"The row has {len(cells)} fields, the first line has {width}.")
    traded_on, symbol, side, quantity, price = (cells[place].strip() for place in places)
    try:
        return Row(
            line,
            fields.traded_on(traded_on),
            fields.symbol(symbol),
            fields.side(side.lower()),
            fields.quantity(quantity),
            fields.price(price),
        )
    except ValueError:
        wrong = zip(COLUMNS, (traded_on, symbol, side.lower(), quantity, price), strict=True)
        return Refusal(line, " ".join(_complaints(wrong)))


def _complaints(cells: Iterator[tuple[str, str]]) -> Iterator[str]:
    """Say of each cell what is wrong with it."""
    for name, text in cells:
        try:
            fields.PARSERS[name](text)
        except ValueError as error:
            found = f"{error} Found: {_shown(text)}."
            if _is_formula(text):
                found += " Formulas are not reckoned."
            yield found


def _is_formula(text: str) -> bool:
    """Say whether a spreadsheet would reckon with it; -5 is only a wrong number."""
    return text.startswith(FORMULA_SIGNS) and not re.fullmatch(r"[+-][0-9.,]+", text)


def _shown(text: str) -> str:
    """Return the beginning of a cell as it can be shown on one line."""
    if not text:
        return "nothing"
    shown = "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[:_SHOWN]
    )
    return f"{shown}…" if len(text) > _SHOWN else shown


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, LineError) else "The quotation marks do not match."
