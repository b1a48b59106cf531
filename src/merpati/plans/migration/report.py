"""The cut-over report: whether a migration is ready to end, and what it was.

Source: the thresholds that providers and vendors publish (Google, Yahoo: complaints below 0.1 %;
Braze, SparkPost: bounces below 2 %), held for a week with the old provider at nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from merpati.plans.migration.deciding import Sent
from merpati.plans.migration.progress import CellProgress
from merpati.reputation.migration_plan import WHOLE

DAYS = 7
_MOST_COMPLAINTS, _MOST_BOUNCES, _MOST_REFUSED, _MOST_OLD = 0.001, 0.02, 0.02, 0.0


class Criterion(Enum):
    """What has to hold before the old provider goes."""

    ALL_MOVED = "all_moved"  # share of the recipients who have
    COMPLAINTS = "complaints"  # of what was delivered
    BOUNCES = "bounces"  # of what was attempted
    REFUSED = "refused"  # of what was attempted
    OLD_UNUSED = "old_unused"  # by the old provider, of all messages


@dataclass(frozen=True, slots=True)
class Finding:
    """One criterion. share: what it is now, limit: what it may be at most; None: nothing sent."""

    criterion: Criterion
    share: float | None
    limit: float
    is_met: bool


@dataclass(frozen=True, slots=True)
class Report:
    """Findings of the last week, and the totals of the whole migration."""

    since: date
    until: date
    findings: tuple[Finding, ...]
    ours: int
    old: int
    refused: int

    @property
    def is_ready(self) -> bool:
        """Return whether the old provider can go."""
        return all(finding.is_met for finding in self.findings)


def report_of(cells: Sequence[CellProgress], today: date) -> Report:
    """Return the report as of a day; the week before it counts, for today is not over."""
    since, until = today - timedelta(days=DAYS), today - timedelta(days=1)
    week = _sum(sent for one in cells for day, sent in one.sent.items() if since <= day <= until)
    every = _sum(sent for one in cells for sent in one.sent.values())
    volume = sum(one.cell.messages_per_day for one in cells)
    moved = sum(one.cell.messages_per_day * one.cell.share for one in cells)
    share = moved / volume / WHOLE if volume else 0.0
    return Report(
        since,
        until,
        (
            Finding(Criterion.ALL_MOVED, share, 1.0, share >= 1),
            _at_most(Criterion.COMPLAINTS, week.complaints, week.delivered, _MOST_COMPLAINTS),
            _at_most(Criterion.BOUNCES, week.hard_bounced, week.attempted, _MOST_BOUNCES),
            _at_most(Criterion.REFUSED, week.refused, week.attempted, _MOST_REFUSED),
            _at_most(Criterion.OLD_UNUSED, week.old, week.ours + week.old, _MOST_OLD),
        ),
        every.ours,
        every.old,
        every.refused,
    )


def _at_most(criterion: Criterion, part: int, whole: int, limit: float) -> Finding:
    share = part / whole if whole else None
    return Finding(criterion, share, limit, share is not None and share <= limit)


def _sum(every: Iterable[Sent]) -> Sent:
    totals = [0] * 7
    for sent in every:
        values = (
            sent.attempted, sent.delivered, sent.deferred, sent.blocked, sent.hard_bounced,
            sent.complaints, sent.old,
        )  # fmt: skip
        totals = [total + value for total, value in zip(totals, values, strict=True)]
    return Sent(*totals)
