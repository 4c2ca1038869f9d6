"""Imports: from the file that is sent to trades, row errors and progress."""

from __future__ import annotations

import datetime
import io
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from apps.trades.database import db
from apps.trades.imports import store, tasks, uploads
from apps.trades.imports.constants import REFUSALS_KEPT, UNFINISHED_LIMIT
from apps.trades.ledger.models import Trade
from shared_utils.sibling import EXTENSION, Sibling
from shared_utils.tasks import jobs_of
from tests.apps.trades.trader import Trader

HEADER = "traded_on,symbol,side,quantity,price\n"
ROW = "2024-05-06,ACME,buy,10,12.50\n"


def rows(number: int, first: int = 1) -> str:
    return "".join(f"2024-05-06,ACME,buy,{each},1\n" for each in range(first, first + number))


def count(trader: Trader) -> int:
    with trader.app.app_context():
        return db.session.scalars(select(func.count()).select_from(Trade)).one()


def files(trader: Trader) -> list[Path]:
    with trader.app.app_context():
        return list(uploads.folder().iterdir())


def test_file_is_taken_and_its_bell_rung(
    trader: Trader, silent_bell: list[tuple[object, ...]]
) -> None:
    answer = trader.send_file(HEADER + ROW, "C:\\my trades\\may\n.csv")

    assert answer.status_code == 202
    assert answer.location == f"{trader.api}/imports/1"
    assert [message[:3] for message in silent_bell] == [("trades", "trades.imports.run", (1,))]
    job: Any = trader.client.get(answer.location).json
    assert (job["stage"], job["filename"]) == ("waiting", "may.csv")
    assert "No worker is running" in trader.get(f"{trader.imports}1").text
    assert count(trader) == 0


def test_valid_rows_are_kept_and_others_told(trader: Trader) -> None:
    job = trader.work(trader.send_file(HEADER + ROW + "x\n" + ROW + "2024-05-06,a,buy,-1,1\n"))

    assert job["stage"] == "done"
    assert (job["added"], job["known"], job["refused"]) == (2, 0, 2)
    assert (job["lines_done"], job["lines"]) == (5, 5)
    assert [row["line"] for row in job["refused_rows"]] == [3, 5]
    assert job["refused_rows"][0]["message"].startswith("The row has 1 fields")
    assert count(trader) == 2
    assert files(trader) == []
    page = trader.get(f"{trader.imports}1").text
    assert "Refused rows" in page
    assert "data-open" not in page


def test_same_file_again_adds_nothing(trader: Trader) -> None:
    file = HEADER + ROW * 3 + rows(5)
    assert trader.work(trader.send_file(file))["added"] == 8

    again = trader.work(trader.send_file("\ufeff" + file.replace(",", ";")))

    assert (again["added"], again["known"]) == (0, 8)
    assert count(trader) == 8


def test_longer_file_adds_what_is_new(trader: Trader) -> None:
    trader.work(trader.send_file(HEADER + ROW + rows(3)))

    longer = trader.work(trader.send_file(HEADER + rows(5) + ROW * 2))

    assert (longer["added"], longer["known"]) == (3, 4)


def test_trade_recorded_by_hand_is_known(trader: Trader) -> None:
    trader.send_json()

    assert trader.work(trader.send_file(HEADER + ROW))["known"] == 1
    assert trader.work(trader.send_file(HEADER + ROW * 2))["added"] == 1


def test_same_rows_of_two_people_are_two_trades(trader: Trader) -> None:
    bob = Trader(trader.app, trader.prefix, name="bob")
    for each in (trader, bob):
        assert each.work(each.send_file(HEADER + ROW))["added"] == 1
    assert len(bob.trades()) == 1


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (b"", "The file is empty."),
        (b"a,b\n1,2\n", "The first line has to name the columns"),
        ((HEADER + ROW * 50 + "\u00fc").encode("latin-1"), "The file is not UTF-8: line 52"),
        (HEADER.encode() + b"\0", "The file is not text"),
        (b"PK\x03\x04", "an Excel workbook"),
    ],
    ids=["empty", "columns", "Latin-1", "NUL", "workbook"],
)
def test_unreadable_file_stores_nothing(trader: Trader, file: bytes, said: str) -> None:
    job = trader.work(trader.send_file(file))

    assert job["stage"] == "failed"
    assert job["error"].startswith("The ")
    assert said in job["error"]
    assert count(trader) == 0
    assert files(trader) == []
    assert said in trader.get(f"{trader.imports}1/progress").text.replace("&#39;", "'")


def test_refused_rows_are_counted_and_the_first_kept(trader: Trader) -> None:
    job = trader.work(trader.send_file(HEADER + "x\n" * 1000))

    assert job["refused"] == 1000
    assert [row["line"] for row in job["refused_rows"]] == list(range(2, 2 + REFUSALS_KEPT))
    assert f"The first {REFUSALS_KEPT} of 1,000." in trader.get(f"{trader.imports}1").text


def test_killed_import_goes_on_after_its_last_batch(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker dies in the middle of a transaction, at every batch once."""
    answer = trader.send_file(HEADER + (ROW * 3 + rows(197) + "x\n") * 5)
    note, left = store.note, 0

    class Killed(BaseException):
        pass

    def die_later(session: Session, job_id: int, **values: Any) -> None:
        nonlocal left
        note(session, job_id, **values)
        if left == 0:
            raise Killed
        left -= 1

    monkeypatch.setattr(store, "note", die_later)
    monkeypatch.setattr(
        "apps.trades.imports.models.ImportJob.STALE_AFTER", datetime.timedelta(hours=-1)
    )
    for left in (1, 0, 2):  # noqa: B007
        with trader.app.app_context(), pytest.raises(Killed):
            tasks.run(1)
    monkeypatch.setattr(store, "note", note)

    job = trader.work(answer)

    assert job["stage"] == "done"
    assert (job["added"], job["known"], job["refused"]) == (1000, 0, 5)
    assert len(job["refused_rows"]) == 5
    assert count(trader) == 1000


def test_import_that_is_done_is_not_done_again(trader: Trader) -> None:
    answer = trader.send_file(HEADER + ROW)
    first = trader.work(answer)

    assert trader.work(answer) == first


def test_file_that_has_gone_is_told(trader: Trader) -> None:
    answer = trader.send_file(HEADER + ROW)
    files(trader)[0].unlink()

    assert trader.work(answer)["error"] == "The file is not there any more; send it again."


def test_too_large_file_is_refused_and_leaves_nothing(trader: Trader) -> None:
    file = HEADER.encode() + b"x" * 200_000

    assert trader.send_file(file).status_code == 413
    form = {"csrf_token": trader.token(), "file": (io.BytesIO(file), "t.csv")}
    assert trader.client.post(trader.imports, data=form).status_code == 413
    answer = trader.client.post(  # chunked: its length is not said before
        f"{trader.api}/imports",
        content_type="text/csv",
        environ_overrides={"wsgi.input": io.BytesIO(file), "wsgi.input_terminated": True},
    )
    assert answer.status_code == 413
    assert files(trader) == []


def test_too_many_unfinished_imports_are_refused(trader: Trader) -> None:
    for _ in range(UNFINISHED_LIMIT):
        answer = trader.send_file(HEADER)
    assert trader.send_file(HEADER).status_code == 429
    assert len(files(trader)) == UNFINISHED_LIMIT

    trader.work(answer)

    assert trader.send_file(HEADER).status_code == 202


def test_page_takes_a_file(trader: Trader) -> None:
    token = trader.token(trader.imports)
    form = {"csrf_token": token, "file": (io.BytesIO((HEADER + ROW).encode()), "<b>.csv")}

    answer = trader.client.post(trader.imports, data=form)

    assert (answer.status_code, answer.location) == (303, f"{trader.imports}1")
    page = trader.get(f"{trader.imports}1").text
    assert "data-open" in page
    assert "&lt;b&gt;.csv" in page
    assert f'data-progress="{trader.imports}1/progress"' in page
    with trader.app.app_context():
        tasks.run(1)
    assert "Done." in trader.get(f"{trader.imports}1/progress").text
    assert "&lt;b&gt;.csv" in trader.get(trader.imports).text


def test_page_without_a_file_says_so(trader: Trader) -> None:
    answer = trader.client.post(trader.imports, data={"csrf_token": trader.token(trader.imports)})

    assert answer.status_code == 422
    assert "Choose a file." in answer.text


def test_page_without_a_token_takes_nothing(trader: Trader) -> None:
    form = {"file": (io.BytesIO(b"x"), "t.csv")}

    assert trader.client.post(trader.imports, data=form).status_code == 400
    assert files(trader) == []


def test_files_of_a_second_mount_are_its_own(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its jobs may be in another database; the folder is the same."""
    monkeypatch.setattr(uploads, "_LEFT_BEHIND", -1.0)
    with trader.app.app_context():
        theirs = uploads.save(io.BytesIO(b"x"))
        trader.app.extensions[EXTENSION] = Sibling(name="deals", prefix="/", row={}, origins={})
        ours = uploads.save(io.BytesIO(b"x"))
        uploads.discard_left_behind(set())
        assert uploads.path_of(theirs).exists()
        assert not uploads.path_of(ours).exists()


def test_files_left_behind_are_deleted(trader: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    trader.send_file(HEADER)
    with trader.app.app_context():
        orphan = uploads.save(io.BytesIO(b"x"))
        monkeypatch.setattr(uploads, "_LEFT_BEHIND", -1.0)
        uploads.discard_left_behind(store.needed_uploads())
    assert orphan not in [file.name for file in files(trader)]
    assert len(files(trader)) == 1


def test_a_stream_that_breaks_leaves_no_file(trader: Trader) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise ConnectionResetError

    with trader.app.app_context(), pytest.raises(ConnectionResetError):
        uploads.save(Broken())  # type: ignore[arg-type]
    assert files(trader) == []


def test_jobs_of_imports_are_registered(trader: Trader) -> None:
    assert [each.model.__name__ for each in jobs_of(trader.app)] == ["ImportJob"]
