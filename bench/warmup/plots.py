"""The plots of docs/explanation/warm-up.md, drawn from a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.warmup import svg
from bench.warmup.policies import POLICIES
from bench.warmup.score import Score
from bench.warmup.svg import Axis, Series
from merpati.reputation.course import CourseDay, run
from merpati.reputation.history import sent
from merpati.reputation.provider_family import Member
from merpati.reputation.signs import Sign, signs_of

_COLOURS = {
    "Merpati": (svg.BLUE, "", 3.5),
    "Merpati, day by day": (svg.SKY, "", 2.5),
    "multiplicative, with memory": (svg.GREEN, "", 2.0),
    "additive increase": (svg.GREY, "", 2.0),
    "SparkPost's stages": (svg.ORANGE, "", 2.0),
    "SendGrid's hourly table": (svg.RED, "6 4", 2.0),
    "Braze's plan": (svg.PURPLE, "2 3", 2.0),
}
_TIMES = [1 + step / 20 for step in range(-8, 41)]


def write(folder: Path, scores: dict[str, list[Score]], examples: dict[str, Member]) -> None:
    """Write all plots. examples: file name -> the member whose course is drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "conquered.svg").write_text(_conquered(scores))
    for name, member in examples.items():
        (folder / f"{name}.svg").write_text(_course(member, name))


def _conquered(scores: dict[str, list[Score]]) -> str:
    lines = [
        Series(
            name,
            [(time, _share_by(scores[name], time)) for time in _TIMES],
            colour,
            dash,
            width=width,
        )
        for name, (colour, dash, width) in _COLOURS.items()
        if name in scores
    ]
    return svg.chart(
        "How soon does each policy reach the target?",
        Axis("days to the target, as a multiple of the oracle's", 0.6, 3, [1, 1.5, 2, 2.5, 3]),
        Axis("providers conquered, %", 0, 100, [0, 25, 50, 75, 100]),
        lines,
    )


def _share_by(scores: Sequence[Score], time: float) -> float:
    reached = sum(score.days is not None and score.days <= time for score in scores)
    return 100 * reached / len(scores)


_TITLES = {
    "ordinary": "Does it find an ordinary provider's tolerance?",
    "slow": "What if the provider judges only after midnight?",
}


def _course(member: Member, name: str) -> str:
    course = run(member, POLICIES["Merpati"](), 40)
    number = {one.day.day: at + 1 for at, one in enumerate(course)}
    days = sent([one.day for one in course])
    signs = dict(zip((day.day for day in days), signs_of(days), strict=True))
    top = 10 ** len(str(int(max(member.mailing.target, *(one.tolerance for one in course)))))

    def marks(sign: Sign) -> list[tuple[float, float]]:
        return [(number[day.day], max(1, day.accepted)) for day in days if signs[day.day] is sign]

    powers = [10.0**power for power in range(1, len(str(top)))]
    return svg.chart(
        _TITLES[name],
        Axis("day of the warm-up", 1, max(10, len(course)), range(1, len(course) + 1, 3)),
        Axis("messages a day (each line ten times the last)", 10, top, powers, is_log=True),
        [
            _line("tolerated", course, [one.tolerance for one in course], svg.BLACK, "6 4"),
            _line("allowance", course, [one.day.allowance for one in course], svg.SKY, "2 3"),
            _line("accepted", course, [one.day.accepted for one in course], svg.BLUE, ""),
            Series("many deferrals", marks(Sign.EDGE), svg.ORANGE, is_marks=True),
            Series("blocked", marks(Sign.BLOCKED), svg.RED, is_marks=True),
        ],
    )


def _line(
    label: str, course: Sequence[CourseDay], values: Sequence[float], colour: str, dash: str
) -> Series:
    points = [(number + 1, max(1.0, value)) for number, value in enumerate(values)]
    assert len(points) == len(course)
    return Series(label, points, colour, dash, width=2.5)
