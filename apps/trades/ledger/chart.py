"""A line over days, for the template to draw as SVG: no script, and the colours are the page's."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Callable, Sequence
from decimal import Decimal

WIDTH, HEIGHT = 720, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 16, 12, 32
_TICKS = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    at: float
    label: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chart:
    """What the template draws.

    Attributes:
        line: the path of the line, which is a step for each day.
        area: the path between the line and zero.
        zero: where zero is, from the top.
        values: marks of the vertical axis.
        days: marks of the horizontal axis.
    """

    line: str
    area: str
    zero: float
    values: list[Tick]
    days: list[Tick]

    width, height = WIDTH, HEIGHT
    left, right, bottom = _LEFT, WIDTH - _RIGHT, HEIGHT - _BOTTOM


def draw(points: Sequence[tuple[datetime.date, Decimal]]) -> Chart | None:
    """Return a chart of values that each hold from their day on; None where there are none.

    What falls on one pixel is one point, so a chart has a size of its own, not that of its data.
    """
    if not points:
        return None
    first, last = points[0][0], points[-1][0]
    days = max((last - first).days, 1)
    low = min(0.0, *(float(value) for _, value in points), 0.0)
    high = max(0.0, *(float(value) for _, value in points), 0.0)
    step = _nice((high - low) / _TICKS)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    if low == high:
        high = low + step

    def x(day: datetime.date) -> int:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * (day - first).days / days)

    def y(value: float) -> float:
        return round(_TOP + (HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low), 1)

    heights = {x(day): y(float(value)) for day, value in points}
    steps = "".join(f"H{at}V{height}" for at, height in heights.items())
    zero = y(0.0)
    return Chart(
        line=f"M{_LEFT} {zero}{steps}H{WIDTH - _RIGHT}",
        area=f"M{_LEFT} {zero}{steps}H{WIDTH - _RIGHT}V{zero}Z",
        zero=zero,
        values=[
            Tick(at=y(low + number * step), label=_amount(low + number * step, step))
            for number in range(round((high - low) / step) + 1)
        ],
        days=_days(first, last, x),
    )


def _nice(step: float) -> float:
    """Return 1, 2 or 5 times a power of ten, not below ``step`` by much."""
    if step <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= step * 0.999)


def _amount(value: float, step: float) -> str:
    if step >= 1e9:
        return f"{value:.3g}"
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if step >= size:
            return f"{value / size:,.10g}{unit if value else ''}"
    return f"{value:,.{max(0, -math.floor(math.log10(step)))}f}"


def _days(
    first: datetime.date, last: datetime.date, x: Callable[[datetime.date], int]
) -> list[Tick]:
    middle = first + (last - first) / 2
    return [Tick(at=x(day), label=str(day)) for day in dict.fromkeys((first, middle, last))]
