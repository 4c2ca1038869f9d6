"""Importing a file, in a worker.

Every batch of rows is stored together with how far the import got by then, in one transaction. So
an import whose process is killed goes on after its last batch, and no row is stored twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from apps.trades.database import db
from apps.trades.imports import store, uploads
from apps.trades.imports.constants import LARGEST_BATCH, SMALLEST_BATCH, STEPS
from apps.trades.imports.models import ImportJob
from apps.trades.imports.occurrences import Occurrences
from apps.trades.imports.reading import Refusal, Row, read
from apps.trades.imports.survey import UnreadableFileError, survey
from apps.trades.ledger.bulk import add_new
from apps.trades.ledger.models import terms_of
from shared_utils.tasks import jobs, task


@task("trades")
def run(job_id: int) -> None:
    """Import the file of a job, if nobody else is at it."""
    jobs.perform(db, ImportJob, job_id, _import)
    needed = store.needed_uploads()
    job = db.session.get(ImportJob, job_id)
    if job is not None and job.upload not in needed:
        uploads.discard(job.upload)
    uploads.discard_left_behind(needed)


def _import(claim: jobs.Claim) -> None:
    job = db.session.get_one(ImportJob, claim.id)
    owner, done = job.owner, job.progress
    try:
        with uploads.path_of(job.upload).open("rb") as file:
            lines = survey(file)
            with db.write() as session:
                claim.beat(session, total=lines)
            file.seek(0)
            size = max(SMALLEST_BATCH, min(LARGEST_BATCH, lines // STEPS))
            with Occurrences() as seen:
                for batch in _batches(read(file), size):
                    # All rows are counted, also those that were stored before a restart.
                    rows = _columns(owner, [each for each in batch if isinstance(each, Row)], seen)
                    _store(claim, owner, batch, rows, done)
    except FileNotFoundError:
        raise jobs.JobError("The file is not there any more; send it again.") from None
    except UnreadableFileError as error:
        raise jobs.JobError(str(error)) from None


def _store(
    claim: jobs.Claim,
    owner: str,
    batch: Sequence[Row | Refusal],
    rows: Iterable[tuple[int, dict[str, Any]]],
    done: int,
) -> None:
    """Store what is in a batch and was not stored before."""
    new = [columns for line, columns in rows if line > done]
    refusals = [each for each in batch if isinstance(each, Refusal) and each.line > done]
    with db.write() as session:
        claim.beat(session, progress=batch[-1].line)
        added = add_new(session, owner, new)
        store.note(session, claim.id, added=added, known=len(new) - added, refusals=refusals)


def _columns(
    owner: str, rows: list[Row], seen: Occurrences
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give the line of each row, and its columns for an INSERT."""
    terms = [terms_of(row.side, row.quantity, row.price) for row in rows]
    known_by = [
        f"{row.traded_on} {row.symbol} {text}" for row, text in zip(rows, terms, strict=True)
    ]
    for row, text, occurrence in zip(rows, terms, seen.count(known_by), strict=True):
        line, traded_on, symbol, side, quantity, price = row
        yield (
            line,
            {
                "owner": owner,
                "traded_on": traded_on,
                "symbol": symbol,
                "side": side,
                "quantity": quantity,
                "price": price,
                "terms": text,
                "occurrence": occurrence,
            },
        )


def _batches(found: Iterator[Row | Refusal], size: int) -> Iterator[list[Row | Refusal]]:
    while batch := list(islice(found, size)):
        yield batch
