"""Charts of days as inline SVG; colours come from the page, so that they fit light and dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 640, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 12, 42, 34
_PLOT_WIDTH, _PLOT_HEIGHT = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_TICKS = 4


@dataclass(frozen=True, slots=True)
class Line:
    """One line. style: class of the page's style sheet, which also colours its legend."""

    label: str
    style: str
    values: Sequence[int]


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn, a value for each day.

    bars: stacked; hints: what a day's tooltip says; marked: numbers of the days, from 0, that get a
    mark; unit: what the values are; written: how they are.
    """

    name: str
    lines: Sequence[Line]
    bars: Sequence[Line]
    hints: Sequence[str]
    unit: str
    day_word: str
    written: Callable[[int], str]
    marked: Sequence[int] = ()


def draw(chart: Chart) -> str:
    """Return a chart with its legend as a figure."""
    days = len(chart.hints)
    stacks = [sum(bar.values[day] for bar in chart.bars) for day in range(days)]
    top = _round_up(max([1, *stacks, *(value for line in chart.lines for value in line.values)]))
    parts = [*_grid(chart, top, days), *_bars(chart.bars, top, days)]
    for line in chart.lines:
        points = " ".join(
            f"{_x(day + 0.5, days):.1f},{_y(value, top):.1f}"
            for day, value in enumerate(line.values)
        )
        parts.append(f'<polyline class="line {line.style}" points="{points}"/>')
    parts += [
        f'<path class="mark" d="M{_x(day + 0.5, days):.1f} {_TOP + 9}l-5 -9h10z"/>'
        for day in chart.marked
    ]
    width = _PLOT_WIDTH / days
    parts += [
        f'<rect class="hint" x="{_x(day, days):.1f}" y="{_TOP}" width="{width:.2f}" '
        f'height="{_PLOT_HEIGHT}"><title>{escape(hint)}</title></rect>'
        for day, hint in enumerate(chart.hints)
    ]
    legend = "".join(
        f'<li><i class="{kind} {one.style}"></i>{escape(one.label)}</li>'
        for kind, drawn in (("line", chart.lines), ("bar", chart.bars))
        for one in drawn
    )
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(chart.name)}">{"".join(parts)}</svg>'
        f'<figcaption><ul class="legend">{legend}</ul></figcaption></figure>'
    )


def _grid(chart: Chart, top: int, days: int) -> list[str]:
    parts = [f'<text x="4" y="18">{escape(chart.unit)}</text>']
    for tick in range(_TICKS + 1):
        value = top * tick // _TICKS
        y = _y(value, top)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y + 5:.1f}" text-anchor="end">{chart.written(value)}</text>'
        )
    below = f'y="{_HEIGHT - 8}" text-anchor='
    parts.append(f'<text x="{_LEFT - 8}" {below}"end">{escape(chart.day_word)}</text>')
    step = max(1, math.ceil(days / 9))
    parts += [
        f'<text x="{_x(day + 0.5, days):.1f}" {below}"middle">{day + 1}</text>'
        for day in range(0, days, step)
    ]
    return parts


def _bars(bars: Sequence[Line], top: int, days: int) -> list[str]:
    parts, below = [], [0] * days
    width = _PLOT_WIDTH / days * 0.7
    for bar in bars:
        for day, value in enumerate(bar.values):
            if value:
                upper, lower = _y(below[day] + value, top), _y(below[day], top)
                parts.append(
                    f'<rect class="bar {bar.style}" x="{_x(day + 0.15, days):.1f}" '
                    f'y="{upper:.1f}" width="{width:.1f}" height="{max(1, lower - upper):.1f}"/>'
                )
            below[day] += value
    return parts


def _x(day: float, days: int) -> float:
    return _LEFT + _PLOT_WIDTH * day / days


def _y(value: float, top: int) -> float:
    return round(_TOP + _PLOT_HEIGHT * (1 - value / top), 1)


def _round_up(value: int) -> int:
    """Return the next value of which a quarter is easily read."""
    power = 10 ** max(0, len(str(value)) - 2)
    return int(math.ceil(value / power / 4) * 4 * power)
