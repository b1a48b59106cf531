"""Line charts as SVG: enough for the plots of one page, readable on light and dark ground."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 860, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 250, 60, 60
_PLOT_WIDTH, _PLOT_HEIGHT = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_MARK = 5
_STYLE = (
    "text{font:14px sans-serif;fill:#222}.title{font-size:17px;font-weight:bold}"
    ".grid{stroke:#ddd}.axis{stroke:#222}"
)
# Distinct also for the colour-blind. Source: Okabe and Ito, "Color Universal Design" (2008).
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY, BLACK = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#888888", "#000000",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: its label with the unit, its range, its ticks; is_log: powers of ten evenly."""

    label: str
    lowest: float
    highest: float
    ticks: Sequence[float]
    is_log: bool = False
    written: Callable[[float], str] = "{:,.10g}".format

    def place(self, value: float) -> float:
        """Return where a value lies, 0 to 1; values beyond the ends lie on them."""
        value = min(self.highest, max(self.lowest, value))
        if self.is_log:
            return math.log(value / self.lowest) / math.log(self.highest / self.lowest)
        return (value - self.lowest) / (self.highest - self.lowest)


@dataclass(frozen=True, slots=True)
class Series:
    """Points joined by a line, or marks alone; dash: as SVG writes it."""

    label: str
    points: Sequence[tuple[float, float]]
    colour: str
    dash: str = ""
    is_marks: bool = False
    width: float = 2.0


def chart(title: str, x: Axis, y: Axis, lines: Sequence[Series]) -> str:
    """Return a chart with its legend on the right."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text class="title" x="{_LEFT}" y="32">{escape(title)}</text>',
        *_x_axis(x),
        *_y_axis(y),
        *(part for line in lines for part in _drawn(line, x, y)),
        *(part for row, line in enumerate(lines) for part in _legend(line, row)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _x_axis(axis: Axis) -> list[str]:
    bottom = _TOP + _PLOT_HEIGHT
    parts = [f'<path class="axis" d="M{_LEFT} {bottom}H{_LEFT + _PLOT_WIDTH}"/>']
    for tick in axis.ticks:
        at = _LEFT + axis.place(tick) * _PLOT_WIDTH
        parts.append(f'<path class="grid" d="M{at:.1f} {_TOP}V{bottom}"/>')
        parts.append(_text(at, bottom + 20, axis.written(tick), "middle"))
    return [*parts, _text(_LEFT + _PLOT_WIDTH / 2, bottom + 44, axis.label, "middle")]


def _y_axis(axis: Axis) -> list[str]:
    parts = [f'<path class="axis" d="M{_LEFT} {_TOP}V{_TOP + _PLOT_HEIGHT}"/>']
    for tick in axis.ticks:
        at = _TOP + (1 - axis.place(tick)) * _PLOT_HEIGHT
        parts.append(f'<path class="grid" d="M{_LEFT} {at:.1f}H{_LEFT + _PLOT_WIDTH}"/>')
        parts.append(_text(_LEFT - 8, at + 5, axis.written(tick), "end"))
    return [*parts, _text(_LEFT, _TOP - 10, axis.label, "start")]


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _drawn(line: Series, x: Axis, y: Axis) -> list[str]:
    places = [
        (_LEFT + x.place(across) * _PLOT_WIDTH, _TOP + (1 - y.place(up)) * _PLOT_HEIGHT)
        for across, up in line.points
    ]
    if line.is_marks:
        return [_mark(across, up, line.colour) for across, up in places]
    path = " ".join(f"{across:.1f},{up:.1f}" for across, up in places)
    return [f'<polyline points="{path}" {_stroke(line)}/>'] if places else []


def _mark(across: float, up: float, colour: str) -> str:
    return f'<circle cx="{across:.1f}" cy="{up:.1f}" r="{_MARK}" fill="{colour}"/>'


def _stroke(line: Series) -> str:
    dash = f' stroke-dasharray="{line.dash}"' if line.dash else ""
    return f'fill="none" stroke="{line.colour}" stroke-width="{line.width}"{dash}'


def _legend(line: Series, row: int) -> list[str]:
    left, up = _LEFT + _PLOT_WIDTH + 16, _TOP + 12 + 24 * row
    if line.is_marks:
        sample = _mark(left + 12, up, line.colour)
    else:
        sample = f'<path d="M{left} {up}h24" {_stroke(line)}/>'
    return [sample, _text(left + 32, up + 5, line.label, "start")]
