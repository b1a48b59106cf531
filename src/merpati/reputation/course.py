"""One simulated warm-up from the first message on: a policy against one member of a family.

The benchmark compares policies with it, and a migration plan takes its range from it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random
from typing import Protocol

from merpati.reputation import warmup
from merpati.reputation.history import Day
from merpati.reputation.provider_family import Mailing, Member
from merpati.reputation.provider_model import HOURS, Answers, Provider

FIRST_DAY = date(2026, 1, 5)  # a Monday
SLICES = 48  # a day's mail leaves in half hours
REACHED = 0.9  # share of the target that must be delivered, and tolerated, in one day
OPENED = 5  # one message in so many is opened by a person
MOST_DAYS = 150


class Policy(Protocol):
    """What decides how much to send. `provider` is for the oracle's eyes only."""

    def allowance(self, history: Sequence[Day], target: int, provider: Provider) -> int:
        """Return how many messages may go today."""

    def pace(self, history: Sequence[Day], today: Day) -> float | None:
        """Return messages an hour from now on; None: what is left, evenly."""


class Controller:
    """The policy that runs in earnest: `warmup.py`, asked again several times a day."""

    def allowance(self, history: Sequence[Day], target: int, provider: Provider) -> int:
        """Return the controller's allowance for the day after the history."""
        return warmup.next_allowance(history, target).messages_per_day

    def pace(self, history: Sequence[Day], today: Day) -> float | None:
        """Return the controller's pace from how today went so far."""
        return warmup.during_day(history, today).messages_per_hour


@dataclass(frozen=True, slots=True)
class CourseDay:
    """A day as it went, beside what the provider would have borne."""

    day: Day
    tolerance: float


def run(
    member: Member, policy: Policy, days: int, slices: int = SLICES, first: date = FIRST_DAY
) -> list[CourseDay]:
    """Play at most so many days from a first one on; stop once the target is reached.

    slices: parts of a day after each of which the policy is asked for its pace.
    """
    chances = Random(member.seed)  # noqa: S311 (a simulation, here and below)
    provider = Provider(member.temper, Random(chances.getrandbits(48)))  # noqa: S311
    demand = Random(chances.getrandbits(48))  # noqa: S311
    course: list[CourseDay] = []
    history: list[Day] = []
    reported = 0  # complaints arrive the day after
    for number in range(days):
        provider.begin_day()
        day_on = first + timedelta(number)
        morning = Day(
            day=day_on,
            allowance=policy.allowance(history, member.mailing.target, provider),
            offered=_offered(member.mailing, day_on, demand),
            attempted=0,
            delivered=0,
            deferred=0,
            blocked=0,
            hard_bounced=0,
            complaints=reported,
            human_opens=0,
        )
        hard_bounce_share = member.mailing.hard_bounce_share_on(number)
        today = _played(
            policy, history, provider, morning, hard_bounce_share=hard_bounce_share, slices=slices
        )
        reported = provider.end_day(member.mailing.complaint_share_on(number))
        course.append(CourseDay(today, provider.tolerance))
        if today.attempted:
            history.append(today)
        if is_reached(course[-1], member.mailing.target):
            break
    return course


def is_reached(day: CourseDay, target: int) -> bool:
    """Return whether the provider took, and bore, the target on that day."""
    return min(day.day.delivered, day.tolerance) >= REACHED * target


def _offered(mailing: Mailing, day_on: date, demand: Random) -> int:
    share = mailing.share_on(day_on.weekday())
    return max(1, int(mailing.target * share * math.exp(demand.gauss(0, mailing.demand_noise))))


def _played(
    policy: Policy,
    history: Sequence[Day],
    provider: Provider,
    today: Day,
    *,
    hard_bounce_share: float,
    slices: int,
) -> Day:
    """Return the day as it was at midnight. What was deferred waits, and is tried again."""
    for number in range(slices):
        hour = number * HOURS / slices
        waiting = today.offered - today.accepted - today.blocked
        left = min(today.allowance - today.attempted, waiting)
        pace = policy.pace(history, today)
        if pace is None:
            due = round(left / (slices - number))
        else:
            due = min(left, math.ceil(pace * HOURS / slices))
        if due > 0:
            today = _with(today, due, provider.answer(due, hour, hard_bounce_share))
    return today


def _with(today: Day, attempted: int, answers: Answers) -> Day:
    delivered = today.delivered + answers.delivered
    return replace(
        today,
        attempted=today.attempted + attempted,
        delivered=delivered,
        deferred=today.deferred + answers.deferred,
        blocked=today.blocked + answers.blocked,
        hard_bounced=today.hard_bounced + answers.hard_bounced,
        human_opens=delivered // OPENED,
    )
