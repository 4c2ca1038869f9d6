"""A section as an aligned table, and as data."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Sequence
from typing import Any

from benchmarks.pairs import FEW, Comparison, Section


def table(section: Section) -> str:
    """Return a section as text: title, notes, a row for each comparison."""
    pairs = min(len(comparison.figures) for comparison in section.comparisons)
    spread = "min..max" if pairs < FEW else "p10..p90"
    head = ["what", section.unit, "beside", section.unit, f"median [{spread}]", "target", ""]
    rows = [head, *(_row(comparison, section.unit) for comparison in section.comparisons)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  " + _aligned(row, widths) for row in rows]
    notes = textwrap.fill(
        f"{section.notes} {pairs} pairs.", 98, initial_indent="  ", subsequent_indent="  "
    )
    return "\n".join([section.title, notes, *lines])


def data(section: Section) -> dict[str, Any]:
    """Return a section for JSON, with every single figure."""
    return {
        "title": section.title,
        "unit": section.unit,
        "notes": section.notes,
        "comparisons": [
            {
                "what": comparison.what,
                "figures": list(comparison.figures),
                "beside": comparison.beside,
                "others": list(comparison.others),
                "judged_by": "difference" if comparison.by_difference else "ratio",
                "median": comparison.median,
                "spread": list(comparison.spread),
                "at_most": comparison.at_most,
                "verdict": comparison.verdict,
            }
            for comparison in section.comparisons
        ],
    }


def _row(comparison: Comparison, unit: str) -> list[str]:
    def shown(result: float) -> str:
        if comparison.by_difference:
            return f"{result:+.2f}"
        return f"{result:.3f}" if result > 0.2 else f"1/{1 / result:,.1f}"

    low, high = comparison.spread
    suffix = f" {unit}" if comparison.by_difference else ""
    target = comparison.at_most
    return [
        comparison.what,
        _figure(statistics.median(comparison.figures)),
        comparison.beside,
        _figure(statistics.median(comparison.others)),
        f"{shown(comparison.median)}{suffix} [{shown(low)}..{shown(high)}]",
        "" if target is None else f"<= {shown(target)}{suffix}",
        comparison.verdict,
    ]


def _figure(figure: float) -> str:
    return f"{figure:,.2f}" if figure < 100 else f"{figure:,.0f}"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.rjust(width) if column in (1, 3) else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
