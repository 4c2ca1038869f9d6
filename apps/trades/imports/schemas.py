"""What the API gives: an import, and how far it is."""

from __future__ import annotations

import datetime

from pydantic import BaseModel, ConfigDict, Field

from apps.trades.imports.constants import REFUSALS_KEPT
from apps.trades.imports.enums import Stage


class ImportQuery(BaseModel):
    """What a file is called."""

    model_config = ConfigDict(extra="forbid")

    filename: str | None = Field(None, description="What you call the file.", max_length=250)


class RefusedRowOut(BaseModel):
    """A row that could not be imported."""

    model_config = ConfigDict(from_attributes=True)

    line: int = Field(description="The line that it begins in; the first of the file is 1.")
    message: str


class ImportOut(BaseModel):
    """An import."""

    id: int
    filename: str
    stage: Stage = Field(description="`waiting`: no worker is there to begin it.")
    lines_done: int
    lines: int | None = Field(description="How many the file has; null before it is begun.")
    added: int = Field(description="Rows that were stored.")
    known: int = Field(description="Rows that were there already.")
    refused: int = Field(description="Rows that could not be imported.")
    refused_rows: list[RefusedRowOut] = Field(description=f"The first {REFUSALS_KEPT} of them.")
    error: str | None = Field(description="Why it failed.")
    created: datetime.datetime
    finished: datetime.datetime | None
