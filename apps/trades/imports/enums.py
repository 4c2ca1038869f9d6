"""Values that a field chooses from."""

from __future__ import annotations

import enum


class Stage(enum.StrEnum):
    """Where an import is, for whoever waits for it."""

    QUEUED = "queued"
    WAITING = "waiting"
    """Queued, and no worker is there to begin it."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"

    @property
    def is_open(self) -> bool:
        """Whether there is something to wait for."""
        return self not in (Stage.DONE, Stage.FAILED)
