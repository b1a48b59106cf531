"""How well a policy did: against the oracle, which knows what each provider bears."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.warmup.policies import Oracle
from merpati.reputation.course import MOST_DAYS, CourseDay, Policy, is_reached, run
from merpati.reputation.provider_family import Member

NEVER_AFTER = 3.0  # times the oracle's days
LEAST_DAYS = 30  # so much time has everyone


@dataclass(frozen=True, slots=True)
class Score:
    """One policy at one provider.

    days: relative to the oracle's, None: never conquered; clean: delivered by the oracle's last
    day, as a share of the oracle's; refused: share of all attempts, until the target or the end.
    """

    days: float | None
    clean: float
    refused: float


@dataclass(frozen=True, slots=True)
class Summary:
    """One policy over many providers; median days count a provider never conquered as the worst."""

    median_days: float
    refused: float
    clean: float
    never: float


def oracle_course(member: Member) -> list[CourseDay]:
    """Return the oracle's way to the target."""
    return run(member, Oracle(), MOST_DAYS)


def score(member: Member, policy: Policy, oracle: Sequence[CourseDay]) -> Score:
    """Let a policy run and compare it."""
    limit = max(LEAST_DAYS, int(NEVER_AFTER * len(oracle)))
    course = run(member, policy, limit)
    return scored(course, oracle, member.mailing.target)


def scored(course: Sequence[CourseDay], oracle: Sequence[CourseDay], target: int) -> Score:
    """Compare a course with the oracle's."""
    attempted = sum(one.day.attempted for one in course)
    refused = sum(one.day.refused for one in course)
    return Score(
        days=len(course) / len(oracle) if is_reached(course[-1], target) else None,
        clean=_delivered(course[: len(oracle)]) / _delivered(oracle),
        refused=refused / attempted,
    )


def _delivered(course: Sequence[CourseDay]) -> int:
    return sum(one.day.delivered for one in course)


def summary(scores: Sequence[Score]) -> Summary:
    """Return the figures of the table."""
    return Summary(
        median_days=statistics.median(
            score.days if score.days is not None else float("inf") for score in scores
        ),
        refused=statistics.fmean(score.refused for score in scores),
        clean=statistics.fmean(score.clean for score in scores),
        never=statistics.fmean(score.days is None for score in scores),
    )
