"""A section as an aligned table, and as data."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Sequence
from typing import Any

from benchmarks.pairs import FEW, Comparison, Section


def table(section: Section) -> str:
    """Return a section as text: title, notes, a row for each comparison."""
    counts = {len(comparison.figures) for comparison in section.comparisons}
    few, many = min(counts), max(counts)
    spread = "min..max" if many < FEW else "p10..p90" if few >= FEW else "spread"
    pairs = f"{few} to {many}" if few < many else f"{many}"
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
                "unit": comparison.unit or section.unit,
                "at_most": comparison.at_most,
                "at_least": comparison.at_least,
                "verdict": comparison.verdict,
            }
            for comparison in section.comparisons
        ],
    }


def _row(comparison: Comparison, unit: str) -> list[str]:
    def shown(result: float) -> str:
        if comparison.by_difference:
            return f"{result:+.2f}"
        if result >= 100:
            return f"{result:,.0f}"
        return f"1/{1 / result:,.1f}" if 0 < result <= 0.2 else f"{result:.3f}"

    low, high = comparison.spread
    own = f" {comparison.unit}" if comparison.unit else ""
    suffix = f" {comparison.unit or unit}".rstrip() if comparison.by_difference else ""
    target = ""
    if comparison.at_most is not None:
        target = f"<= {shown(comparison.at_most)}{suffix}"
    elif comparison.at_least is not None:
        target = f">= {shown(comparison.at_least)}{suffix}"
    return [
        comparison.what,
        _figure(statistics.median(comparison.figures)) + own,
        comparison.beside,
        _figure(statistics.median(comparison.others)) + own,
        f"{shown(comparison.median)}{suffix} [{shown(low)}..{shown(high)}]",
        target,
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
