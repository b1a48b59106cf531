"""The pictures of a migration, as numbers that a template draws: a day-by-day chart, a heat map.

Pure. Each picture stands beside a table that says the same.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from merpati.console.provider_names import provider_name
from merpati.plans.migration.progress import CellProgress
from merpati.plans.models import MigrationDay
from merpati.reputation.migration_plan import WHOLE, MigrationPlan

WIDTH, HEIGHT = 760, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 24, 12, 28
_GAP = 0.2  # of a day's width, between bars
_TICKS = 4
# Of the heat map: least width of a day, height of a row, width of its name, of all.
_CELL, _ROW, _NAME, _WIDE = 10, 22, 230, 1060
_STEPS = 5  # shades of the heat map
HEAT_ROWS = 40
_WEEK = 7
_MUCH_REFUSED = 0.1


@dataclass(frozen=True, slots=True)
class ChartDay:
    """One day of all that is drawn. None: not known, for it has not come."""

    day: date
    planned: int
    low: int
    high: int
    ours: int | None = None
    old: int | None = None
    refused: int | None = None
    allowance: int | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """A day's mail from here, and on top of it what was refused."""

    day: ChartDay
    x: str
    width: str
    y: str
    height: str
    refused_y: str
    refused_height: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A label of an axis."""

    at: str
    text: str


@dataclass(frozen=True, slots=True)
class DayTick:
    """A day below a picture."""

    at: str
    day: date


@dataclass(frozen=True, slots=True)
class Chart:
    """A day-by-day chart; points as an SVG polyline takes them."""

    days: Sequence[ChartDay]
    plan: str
    band: str
    allowance: str
    bars: Sequence[Bar]
    across: Sequence[DayTick]
    up: Sequence[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM


def planned_days(plan: MigrationPlan) -> list[ChartDay]:
    """Return what a plan expects of each day, all providers together, until it is done."""
    every = zip(*(cell.days for cell in plan.cells), strict=True)
    days = [
        ChartDay(
            of_day[0].day,
            sum(day.ours for day in of_day),
            sum(day.ours_low for day in of_day),
            sum(day.ours_high for day in of_day),
        )
        for of_day in every
    ]
    end = plan.whole.late
    return days if end is None else [day for day in days if day.day <= end]


def days_so_far(cells: Sequence[CellProgress], today: date) -> list[ChartDay]:
    """Return plan and outcome of each day, all these cells together."""
    by_day: dict[date, list[MigrationDay]] = defaultdict(list)
    for one in cells:
        for row in one.days:
            by_day[row.day].append(row)
    return [_day(cells, rows, day, today) for day, rows in sorted(by_day.items())]


def _day(
    cells: Sequence[CellProgress], rows: Sequence[MigrationDay], on: date, today: date
) -> ChartDay:
    planned = sum(row.planned for row in rows)
    low, high = sum(row.planned_low for row in rows), sum(row.planned_high for row in rows)
    if on > today:
        return ChartDay(on, planned, low, high)
    sent = [one.on(on) for one in cells]
    allowances = [row.allowance for row in rows if row.allowance is not None]
    return ChartDay(
        on,
        planned,
        low,
        high,
        ours=sum(one.ours for one in sent),
        old=sum(one.old for one in sent),
        refused=sum(one.refused for one in sent),
        allowance=sum(allowances) if allowances else None,
    )


def chart_of(days: Sequence[ChartDay]) -> Chart:
    """Return the chart of some days in a row."""
    # An allowance may be far above what there is to send; then its line leaves the chart.
    most = max((max(day.high, (day.ours or 0) + (day.refused or 0)) for day in days), default=0)
    top = _round_up(max(1, most))
    wide = (WIDTH - _LEFT - _RIGHT) / max(1, len(days))

    def x(number: float) -> str:
        return f"{_LEFT + number * wide:.1f}"

    def y(messages: float) -> str:
        high = HEIGHT - _TOP - _BOTTOM
        return f"{HEIGHT - _BOTTOM - high * min(1.0, messages / top):.1f}"

    def points(values: Sequence[tuple[int, int]]) -> str:
        return " ".join(f"{x(number + 0.5)},{y(value)}" for number, value in values)

    numbered = list(enumerate(days))
    low = [(number, day.low) for number, day in numbered]
    high = [(number, day.high) for number, day in numbered]
    bars = [
        _bar(day, x(number + _GAP / 2), f"{wide * (1 - _GAP):.1f}", y)
        for number, day in numbered
        if day.ours is not None
    ]
    every = max(1, math.ceil(len(days) / 9))
    return Chart(
        days,
        plan=points([(number, day.planned) for number, day in numbered]),
        band=points([*high, *reversed(low)]),
        allowance=points(
            [(number, day.allowance) for number, day in numbered if day.allowance is not None]
        ),
        bars=bars,
        across=[DayTick(x(n + 0.5), d.day) for n, d in numbered if n % every == 0],
        up=[
            Tick(y(top * step / _TICKS), str(round(top * step / _TICKS)))
            for step in range(_TICKS + 1)
        ],
    )


def _bar(day: ChartDay, x: str, width: str, y: Callable[[float], str]) -> Bar:
    base, ours = float(y(0)), float(y(day.ours or 0))
    top = float(y((day.ours or 0) + (day.refused or 0)))
    return Bar(
        day, x, width, f"{ours:.1f}", f"{base - ours:.1f}", f"{top:.1f}", f"{ours - top:.1f}"
    )


def _round_up(value: int) -> int:
    """Return the next number that four steps divide into numbers people like."""
    unit = 4 * int(10 ** max(0, len(str(value)) - 2))
    return math.ceil(value / unit) * unit


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A provider on a day. step: 0 (nobody has moved) to 5 (all); is_plan: it has not come."""

    x: int
    day: date
    per_cent: float
    step: int
    is_plan: bool
    is_refused: bool


@dataclass(frozen=True, slots=True)
class HeatRow:
    """A provider of a pool, day by day."""

    name: str
    y: int
    middle: int
    cells: Sequence[HeatCell]

    @property
    def weekly(self) -> Sequence[HeatCell]:
        """Return each seventh day, for the table beside the picture."""
        return self.cells[::_WEEK]


@dataclass(frozen=True, slots=True)
class Heat:
    """Who has moved where, by provider and day. today: where it begins, None: it is not there."""

    rows: Sequence[HeatRow]
    ticks: Sequence[DayTick]
    width: int
    bottom: int  # of the rows
    cell: int
    today: int | None
    row: int = _ROW - 2

    @property
    def height(self) -> int:
        """Return the height with the days below."""
        return self.bottom + _ROW


def heat_of(cells: Sequence[CellProgress], today: date) -> Heat:
    """Return the heat map: the share decided until today, the planned one from then on.

    cells: the largest first, of which so many are shown as a page can.
    """
    cells = cells[:HEAT_ROWS]
    days = sorted({day.day for one in cells for day in one.days})
    wide = max(_CELL, (_WIDE - _NAME) // (len(days) + 1))
    rows = [
        HeatRow(
            f"{provider_name(one.cell.provider)} · {one.cell.pool}",
            number * _ROW,
            number * _ROW + _ROW // 2 + 3,
            _heat_cells(one, days, today, wide),
        )
        for number, one in enumerate(cells)
    ]
    return Heat(
        rows,
        [DayTick(str(_NAME + n * wide), day) for n, day in enumerate(days) if n % _WEEK == 0],
        _NAME + (len(days) + 1) * wide,
        max(1, len(rows)) * _ROW,
        wide - 1,
        _NAME + days.index(today) * wide if today in days else None,
    )


def _heat_cells(one: CellProgress, days: Sequence[date], today: date, wide: int) -> list[HeatCell]:
    rows = {row.day: row for row in one.days}
    cells = []
    share = 0
    for number, day in enumerate(days):
        row = rows.get(day)
        is_plan = day > today
        if row is not None:
            share = (
                row.planned_share if is_plan else (row.share if row.share is not None else share)
            )
        sent = one.on(day)
        cells.append(
            HeatCell(
                _NAME + number * wide,
                day,
                share / 100,
                math.ceil(_STEPS * share / WHOLE),
                is_plan,
                sent.attempted > 0 and sent.refused > _MUCH_REFUSED * sent.attempted,
            )
        )
    return cells
