"""The policies that are compared. Each plan made for a whole IP is given to one provider alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from merpati.reputation import sparkpost_stages, warmup
from merpati.reputation.course import Controller, Policy
from merpati.reputation.history import Day
from merpati.reputation.provider_model import HOURS, Provider

# Source: Twilio SendGrid, "Automated IP warm-up" (hourly limit by day).
SENDGRID_PER_HOUR = (
    20, 28, 39, 55, 77, 108, 151, 211, 295, 413, 579, 810, 1_000, 1_587, 2_222, 3_111, 4_356, 6_098,
    8_583, 11_953, 16_734, 23_427, 32_798, 45_917, 64_284, 89_998, 125_997, 176_395, 246_953,
    345_735, 484_029, 677_640, 948_696, 1_328_175, 1_859_444, 2_603_222, 3_644_511, 5_102_316,
    7_143_242, 10_000_539, 14_000_754, 19_601_056,
)  # fmt: skip
# Source: Braze, "IP warming", the moderate plan; from day 22 on twice as much every three days.
BRAZE_PER_DAY = (
    50, 100, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 25_000, 35_000, 50_000, 75_000, 100_000,
    150_000, 200_000, 275_000, 375_000, 500_000, 650_000, 825_000, 1_000_000,
)  # fmt: skip
_BRAZE_LATER = 2 ** (1 / 3)


class Daily:
    """A policy that decides once a day and spreads evenly."""

    def __init__(self, rule: Callable[[Sequence[Day], int], float]) -> None:
        self._rule = rule

    def allowance(self, history: Sequence[Day], target: int, provider: Provider) -> int:
        return max(1, min(target, int(self._rule(history, target))))

    def pace(self, history: Sequence[Day], today: Day) -> float | None:
        return None


class Oracle(Daily):
    """Knows what the provider bears today, and sends that."""

    def __init__(self) -> None:
        super().__init__(lambda _history, target: target)

    def allowance(self, history: Sequence[Day], target: int, provider: Provider) -> int:
        return min(target, provider.comfortable)


def _ours(history: Sequence[Day], target: int) -> float:
    return warmup.next_allowance(history, target).messages_per_day


def _sparkpost(history: Sequence[Day], target: int) -> float:
    return sparkpost_stages.next_allowance(history, target).messages_per_day


def _sendgrid(history: Sequence[Day], target: int) -> float:
    return HOURS * SENDGRID_PER_HOUR[min(len(history), len(SENDGRID_PER_HOUR) - 1)]


def _braze(history: Sequence[Day], target: int) -> float:
    """Follow the plan; repeat a day after too few deliveries, bounces or complaints."""
    step = sum(
        day.delivered > 0.9 * day.attempted
        and day.hard_bounced <= 0.05 * day.attempted
        and day.complaints <= 0.001 * day.attempted
        for day in history
    )
    last = len(BRAZE_PER_DAY) - 1
    return BRAZE_PER_DAY[min(step, last)] * _BRAZE_LATER ** max(0, step - last)


def _additive(history: Sequence[Day], target: int) -> float:
    """Add a fixed step after a clean day; after a refused one fall below what was taken."""
    volume, step = 200.0, target / 200
    for day in history:
        if day.refused > 0.05 * day.attempted:
            volume = max(50.0, 0.8 * day.delivered)
        elif day.attempted >= 0.5 * volume:
            volume += step
    return volume


def _multiplicative(history: Sequence[Day], target: int) -> float:
    """Double while clean; after a refusal half of what was taken, and slowly where it refused."""
    volume, edge = 100.0, float("inf")
    for day in history:
        if day.refused > 0.03 * day.attempted:
            edge = max(50.0, day.delivered)
            volume = max(50.0, 0.8 * edge)
        elif day.attempted >= 0.5 * volume:
            volume *= 2.0 if 2 * volume < edge else 1.3
            edge *= 1.3
    return volume


POLICIES: dict[str, Callable[[], Policy]] = {
    "Merpati": Controller,
    "Merpati, day by day": lambda: Daily(_ours),
    "multiplicative, with memory": lambda: Daily(_multiplicative),
    "additive increase": lambda: Daily(_additive),
    "SparkPost's stages": lambda: Daily(_sparkpost),
    "SendGrid's hourly table": lambda: Daily(_sendgrid),
    "Braze's plan": lambda: Daily(_braze),
    "oracle": Oracle,
}
