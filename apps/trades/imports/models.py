"""The tables of imports: the jobs, and the rows that could not be imported."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from apps.trades.database import Base
from shared_utils.tasks.rows import JobMixin


class ImportJob(JobMixin, Base):
    """The import of one file. ``progress`` and ``total`` are lines of it.

    Attributes:
        owner: id of the identity whose it is.
        filename: what they call the file.
        upload: what it is called in the folder of uploads.
        added: rows that were stored.
        known: rows that were there already.
        refused: rows that could not be imported.
    """

    __tablename__ = "import_job"
    __table_args__ = (Index("ix_import_job_newest", "owner", "id"),)

    owner: Mapped[str] = mapped_column(String(255))
    filename: Mapped[str] = mapped_column(String(255))
    upload: Mapped[str] = mapped_column(String(64))
    added: Mapped[int] = mapped_column(Integer, default=0)
    known: Mapped[int] = mapped_column(Integer, default=0)
    refused: Mapped[int] = mapped_column(Integer, default=0)


class RefusedRow(Base):
    """A row that could not be imported, and why; the first ones of each file."""

    __tablename__ = "import_refused_row"

    job_id: Mapped[int] = mapped_column(
        ForeignKey("import_job.id", ondelete="CASCADE"), primary_key=True
    )
    line: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    message: Mapped[str] = mapped_column(Text)
