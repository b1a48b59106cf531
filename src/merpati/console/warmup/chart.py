"""The last days of a warm-up as a chart: bars of what was sent, a mark for what was allowed. Pure.

Drawn as SVG in the page itself, without a script; the figures stand in a table beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from merpati.plans.warmup.overview import ShownDay

DAY_WIDTH = 20  # units of the drawing
HEIGHT = 100
_GAP = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """One day. taken and refused stand on each other; allowed: where the mark lies, None: none."""

    x: int
    width: int
    taken_y: int
    taken: int
    refused_y: int
    refused: int
    allowed_y: int | None


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing of `width` × HEIGHT units; most: the number of messages at its top."""

    bars: list[Bar]
    width: int
    most: int
    first: date
    last: date

    @property
    def height(self) -> int:
        """Return the drawing's height."""
        return HEIGHT


def chart_of(days: Sequence[ShownDay]) -> Chart:
    """Return the chart of some days, one at least."""
    most = max(1, *(max(day.sent, day.allowance or 0) for day in days))
    bars = [_bar(day, number, most) for number, day in enumerate(days)]
    return Chart(bars, len(days) * DAY_WIDTH, most, days[0].day, days[-1].day)


def _bar(day: ShownDay, number: int, most: int) -> Bar:
    sent, refused = _units(day.sent, most), _units(day.refused, most)
    taken = max(0, sent - refused)
    return Bar(
        x=number * DAY_WIDTH + _GAP // 2,
        width=DAY_WIDTH - _GAP,
        taken_y=HEIGHT - taken,
        taken=taken,
        refused_y=HEIGHT - taken - refused,
        refused=refused,
        allowed_y=None if day.allowance is None else HEIGHT - _units(day.allowance, most),
    )


def _units(messages: int, most: int) -> int:
    """Return a height; what is there at all can be seen."""
    return max(1, round(messages * HEIGHT / most)) if messages else 0
