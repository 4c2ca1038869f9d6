"""Reading trades from CSV: what is a trade, and what is said of what is none."""

from __future__ import annotations

import csv
import datetime
import io
import random
import re
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.trades.imports.constants import MAX_LINE, MAX_ROW_LINES
from apps.trades.imports.reading import Refusal, Row, read
from apps.trades.imports.survey import UnreadableFileError, survey
from apps.trades.ledger.enums import Side

HEADER = "traded_on,symbol,side,quantity,price\n"
SOUND = "2024-05-06,ACME,buy,10,12.50\n"


def rows(text: str | bytes) -> list[Row | Refusal]:
    file = io.BytesIO(text.encode() if isinstance(text, str) else text)
    survey(file)
    file.seek(0)
    return list(read(file))


def refusal(row: str) -> str:
    (found,) = rows(HEADER + row)
    assert isinstance(found, Refusal)
    assert found.line == 2
    return found.message


def test_a_row_is_a_trade() -> None:
    assert rows(HEADER + SOUND) == [
        Row(2, datetime.date(2024, 5, 6), "ACME", Side.BUY, Decimal("10"), Decimal("12.5"))
    ]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEADER + SOUND,
        (HEADER + SOUND).replace("\n", "\r\n"),
        (HEADER + SOUND).replace("\n", "\r"),
        (HEADER + SOUND).strip(),
        "\n \n" + HEADER + "\n" + SOUND + "\n,,,,\n",
        (HEADER + SOUND).replace(",", ";"),
        (HEADER + SOUND).replace(",", "\t"),
        (HEADER + SOUND).replace(",", "|"),
        (HEADER + SOUND).replace(",", " , "),
        HEADER.upper() + SOUND.replace("buy", "BUY"),
        "Trade Date,Ticker,Side,Qty,Price\n" + SOUND,
        'price,note,side,symbol,quantity,traded_on\n12.5,"a, ""b"" ü",buy,ACME,10,2024-05-06\n',
        'note,price,side,symbol,quantity,traded_on\n"two\nlines",12.5,buy,ACME,10,2024-05-06\n',
        "".join(f'"{cell}",' for cell in HEADER.strip().split(",")) + "\n" + SOUND.strip() + ",\n",
        HEADER + SOUND.strip() + ",,\n",
        HEADER + SOUND.lower(),
    ],
    ids=[
        *("byte order mark", "CR LF", "CR", "no line break at the end", "blank lines"),
        *("semicolons", "tabs", "bars", "spaces", "capitals", "other names", "other order"),
        *("line break in a field", "quoted", "empty cells at the end", "small letters"),
    ],
)
def test_files_of_many_programs_are_read(text: str) -> None:
    (row,) = rows(text)

    assert isinstance(row, Row)
    assert row[1:] == (datetime.date(2024, 5, 6), "ACME", Side.BUY, Decimal(10), Decimal("12.5"))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("2024-05-06,ac!me,buy,10,12.50", r"^Symbol: write .* Found: ac!me\.$"),
        ("2024-05-06,,buy,10,12.50", r"^Symbol: write .* Found: nothing\.$"),
        ("2024-05-06,ACME,hold,10,12.50", r"^Side: choose buy or sell\. Found: hold\.$"),
        ("2024-05-06,ACME,buy,-10,12.50", r"^Quantity: write a number above 0.* Found: -10\.$"),
        ("2024-05-06,ACME,buy,0,12.50", r"^Quantity: write a number above 0"),
        ("2024-05-06,ACME,buy,10,1e5", r"^Price: write a number"),
        ('2024-05-06,ACME,buy,10,"12,50"', r"^Price: write a number.* Found: 12,50\.$"),
        ("2024-05-06,ACME,buy,10,\u0661", r"^Price: write a number"),
        ("9999-01-01,ACME,buy,10,12.50", r"^Date: choose today or a day in the past"),
        ("06/05/2024,ACME,buy,10,12.50", r"^Date: write year-month-day"),
        ("2024-02-30,ACME,buy,10,12.50", r"^Date: write year-month-day"),
        ("2024-05-06,=1+1,buy,10,12.50", r"^Symbol: .* Found: =1\+1\. Formulas are not reckoned"),
        ("2024-05-06,@SUM(A1),buy,10,12.50", r"Found: @SUM\(A1\)\. Formulas"),
        ("2024-05-06,ACME,buy,+A1,12.50", r"Found: \+A1\. Formulas"),
        ("2024-05-06,ACME,buy,-A1,12.50", r"Found: -A1\. Formulas"),
        ("2024-05-06,ACME,buy,10", r"^The row has 4 fields, the first line has 5\.$"),
        ("2024-05-06,ACME,buy,10,12,50", r"^The row has 6 fields, the first line has 5\.$"),
        ('2024-05-06,"ACME,buy,10,12.50', r"^The quotation marks do not match\.$"),
        ('2024-05-06,"AC"ME,buy,10,12.50', r"^The quotation marks do not match\.$"),
        ("2024-05-06,A\x07\u202eB,buy,10,12.50", "Found: A\ufffd\ufffdB\\."),
        ("2024-05-06," + "A" * 60000 + ",buy,10,12.50", r"Found: A{40}…\."),
        ("2024-05-06," + "A" * 65536 + ",buy,10,12.50", rf"^The line is longer than {MAX_LINE}"),
        ("2024-05-06," + "A" * 300000 + ",buy,10,12.50", rf"^The line is longer than {MAX_LINE}"),
        ("2024-05-06,ACME,hold,-1,12.50", r"^Side: .*Quantity: "),
    ],
    ids=lambda value: repr(value)[:40],
)
@pytest.mark.parametrize("end", ["", "\n"], ids=["last", "ended"])
def test_row_that_is_no_trade_is_told_what_to_write(row: str, said: str, end: str) -> None:
    assert re.search(said, refusal(row + end))


def test_rows_around_a_wrong_one_are_kept() -> None:
    wrong = "x\n", '2024-05-06,"ACME,buy,10,12.50\n', "A" * 70000 + "\n"

    for row in wrong:
        found = rows(HEADER + SOUND + row + SOUND * 30)
        assert [each.line for each in found] == list(range(2, 34))
        assert [each.line for each in found if isinstance(each, Refusal)] == [3]


def test_a_field_may_have_line_breaks_but_not_any_number() -> None:
    header = "traded_on,symbol,side,quantity,price,note\n"

    def row(breaks: int) -> str:
        return f'2024-05-06,ACME,buy,10,12.50,"{"x" + chr(10) * breaks}"\n'

    fine = rows(header + row(MAX_ROW_LINES - 1) + row(0))
    assert [type(each) for each in fine] == [Row, Row]
    assert [each.line for each in fine] == [2, 2 + MAX_ROW_LINES]
    first, *_, last = rows(header + row(MAX_ROW_LINES) + row(0))
    assert first == Refusal(
        2, f"A quotation mark is opened here and not closed within {MAX_ROW_LINES} lines."
    )
    assert isinstance(last, Row)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "The file is empty"),
        (b"\n \n", "The file is blank"),
        (b"\xef\xbb\xbf", "The file is blank"),
        (b"a,b\n1,2\n", "missing: traded_on, symbol, side, quantity, price"),
        (SOUND.encode(), "The first line has to name the columns"),
        (b"traded_on,symbol,side,quantity\n", "missing: price"),
        (b"date,traded_on,symbol,side,quantity,price\n", "names a column twice: traded_on"),
        (b"date;symbol;side;qty;price;price\n", "names a column twice: price"),
        (b'"' * 70000, "Line 1 has to name columns. The line is longer"),
        ((HEADER + SOUND).encode("utf-16"), "The file is UTF-16 text, not CSV. Save it as"),
        ((HEADER + SOUND).encode("utf-16-be"), "The file is not text: line 1 has a NUL"),
        ((HEADER + SOUND + "A\0").encode(), "The file is not text: line 3 has a NUL"),
        ((HEADER + SOUND + "ü\n").encode("latin-1"), "not UTF-8: line 3 has the byte 0xFC"),
        (
            HEADER.encode() + b"a" * 65499 + b"\n\n\xe2\x28\xa1",
            "not UTF-8: line 4 has the byte 0xE2",
        ),
        ((HEADER + SOUND + "ü").encode()[:-1], "not UTF-8: it ends within a character"),
        (b"PK\x03\x04...", "an Excel workbook"),
        (b"\x1f\x8b\x08", "a gzip archive"),
    ],
    ids=lambda value: repr(value)[:32],
)
def test_file_that_cannot_be_read_says_why(data: bytes, said: str) -> None:
    with pytest.raises(UnreadableFileError) as caught:
        rows(data)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"a", 1),
        (b"a\n", 1),
        (b"a\nb", 2),
        (b"a\r\nb\r\n", 2),
        (b"a\rb", 2),
        (b"\n" * 70000, 70000),
    ],
    ids=lambda value: repr(value)[:16],
)
def test_lines_are_counted(data: bytes, lines: int) -> None:
    assert survey(io.BytesIO(data)) == lines


def test_character_may_stand_across_chunks() -> None:
    for shift in range(4):
        data = b"a" * (65536 - shift) + "€".encode()
        assert survey(io.BytesIO(data)) == 1


@given(st.binary(max_size=300))
@example(HEADER.encode() + b'"\n"\n"\r"')
def test_nothing_makes_it_stumble(data: bytes) -> None:
    try:
        found = rows(HEADER.encode() + data)
    except UnreadableFileError:
        return

    numbers = [each.line for each in found]
    assert numbers == sorted(set(numbers)), "each row is told once"
    assert all(2 <= number <= survey(io.BytesIO(HEADER.encode() + data)) + 1 for number in numbers)


cells = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(st.lists(cells, max_size=8))
def test_what_a_csv_writer_writes_around_a_trade_does_not_matter(notes: list[str]) -> None:
    made = io.StringIO(newline="")
    writer = csv.writer(made)
    writer.writerow([*HEADER.strip().split(","), "note"])
    for note in notes:
        writer.writerow([*SOUND.strip().split(","), note])

    found = rows(made.getvalue())

    for note, row in zip(notes, found, strict=True):
        breaks = note.count("\r") + note.count("\n")
        assert isinstance(row, Row) or breaks >= MAX_ROW_LINES


def test_memory_does_not_grow_with_the_file() -> None:
    def peak(size: int) -> int:
        tracemalloc.start()
        for _ in read(io.BufferedReader(Made(size))):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    few, many = peak(5_000), peak(50_000)
    assert many < few + 200_000


class Made(io.RawIOBase):
    """A file that is made while it is read: wrong rows, right ones, and quotation marks."""

    def __init__(self, size: int) -> None:
        self._lines = self._made(size)
        self._rest = b""

    def _made(self, size: int) -> Iterator[bytes]:
        chance = random.Random(1)
        yield HEADER.encode()
        for _ in range(size):
            yield chance.choice([SOUND, "wrong\n", '"\n', "2024-05-06,ACME,sell,1,1.5\n"]).encode()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while len(self._rest) < len(buffer) and (line := next(self._lines, b"")):
            self._rest += line
        given = self._rest[: len(buffer)]
        buffer[: len(given)] = given
        self._rest = self._rest[len(given) :]
        return len(given)
