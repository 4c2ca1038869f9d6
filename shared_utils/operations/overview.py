"""Every mount as one row: what all workers say of it, put together."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from shared_utils.operations.figures import Figures
from shared_utils.operations.judging import verdicts, worst_first
from shared_utils.operations.reports import Check, MountReport, WorkerReport
from shared_utils.operations.rows import MountRow

_WORST_STATE = ("down", "starting", "maintenance", "lazy", "up")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overview:
    """All of it.

    Attributes:
        rows: a row for each mount, those in trouble first.
        workers: the workers that have answered.
        silent: process ids of those that have not.
        figures_at: when the figures were taken (``time.time()``); None where there are none yet.
    """

    rows: Sequence[MountRow]
    workers: Sequence[WorkerReport]
    silent: Sequence[int]
    figures_at: float | None

    def row(self, name: str) -> MountRow | None:
        """Return the row of this mount; None where no worker has it."""
        return next((row for row in self.rows if row.name == name), None)


def overview(
    workers: Sequence[WorkerReport],
    silent: Sequence[int],
    figures: Mapping[str, Figures],
    figures_at: float | None,
) -> Overview:
    """Put together what workers have said."""
    names = sorted({name for worker in workers for name in worker.mounts})
    rows = [_row(name, workers, figures.get(name, Figures())) for name in names]
    return Overview(
        rows=worst_first(rows), workers=workers, silent=sorted(silent), figures_at=figures_at
    )


def _row(name: str, workers: Sequence[WorkerReport], figures: Figures) -> MountRow:
    reports = [worker.mounts[name] for worker in workers if name in worker.mounts]
    first = reports[0]
    late = [
        request.runs_for
        for worker in workers
        for request in worker.running
        if request.app == name and request.is_hanging
    ]
    row = MountRow(
        name=name,
        title=first.title,
        prefix=first.prefix,
        description=first.description,
        owner=first.owner,
        contact=first.contact,
        required=first.required,
        state=_state(reports),
        down=sum(report.build_state == "down" for report in reports),
        starting=sum(report.build_state == "starting" for report in reports),
        failure=next((report.failure for report in reports if report.failure), ""),
        message=next((r.message for r in reports if r.message is not None), None),
        build_seconds=max((r.build_seconds for r in reports if r.build_seconds), default=None),
        running=sum(report.running for report in reports),
        parked=sum(report.parked for report in reports),
        hanging=len(late),
        oldest=max(late, default=0.0),
        checks=_checks(reports),
        last_error=max(
            (r.last_error for r in reports if r.last_error), key=lambda e: e.at, default=None
        ),
        figures=figures,
    )
    return dataclasses.replace(row, verdicts=tuple(verdicts(row, len(workers))))


def _state(reports: Sequence[MountReport]) -> str:
    states = {report.state for report in reports}
    if "maintenance" in states:
        return "maintenance"  # intended, whatever is behind it
    return min(states, key=lambda s: _WORST_STATE.index(s) if s in _WORST_STATE else 0)


def _checks(reports: Iterable[MountReport]) -> tuple[Check, ...]:
    """Return each check once: as the worker has it in which it is worst."""
    found: dict[str, Check] = {}
    for report in reports:
        for check in report.checks:
            known = found.get(check.name)
            if known is None or (check.ok is False and known.ok is not False):
                found[check.name] = check
    return tuple(found.values())
