"""The decision of a migration's day: which share of a provider's recipients is sent from here.

Pure, so that a rehearsal plays it. What was sent is read from the recorder's counts
(`events/provider_days.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from merpati.contracts.sending_policy import OnBlock, OnOldFailure, OnSpent
from merpati.events.provider_days import ProviderDay
from merpati.reputation.demand import Demand
from merpati.reputation.history import Day
from merpati.reputation.migration_plan import OTHER
from merpati.reputation.share_decision import ShareDecision, ShareKind, decide

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Ways:
    """Where mail goes when something is in its way; see `contracts.sending_policy.Migration`."""

    on_spent: OnSpent = OnSpent.OLD
    on_block: OnBlock = OnBlock.WAIT
    when_old_fails: OnOldFailure = OnOldFailure.WAIT


AS_USUAL = Ways()


@dataclass(frozen=True, slots=True)
class Sent:
    """What went on a day: attempts here, what of them was refused, and messages the old way.

    blocked_rests: as `reputation.history.Day` has it.
    """

    attempted: int = 0
    delivered: int = 0
    deferred: int = 0
    blocked: int = 0
    hard_bounced: int = 0
    complaints: int = 0
    old: int = 0
    blocked_rests: int = 0

    @property
    def refused(self) -> int:
        """Return the attempts that were turned away for our sake."""
        return self.deferred + self.blocked

    @property
    def ours(self) -> int:
        """Return the messages that providers took from here."""
        return self.delivered + self.hard_bounced

    def as_day(self, day: date, allowance: int) -> Day:
        """Return the day as the controller reads it."""
        return Day(
            day=day,
            allowance=max(allowance, self.attempted),
            offered=self.attempted,
            attempted=self.attempted,
            delivered=self.delivered,
            deferred=self.deferred,
            blocked=self.blocked,
            hard_bounced=self.hard_bounced,
            complaints=self.complaints,
            human_opens=0,
            blocked_rests=self.blocked_rests,
        )


def sent_of(ours: Iterable[ProviderDay], old: Iterable[ProviderDay]) -> dict[date, Sent]:
    """Return what went on each day. ours: rows of our IPs; old: those of the old provider."""
    sums: dict[date, list[int]] = defaultdict(lambda: [0] * 8)
    for row in ours:
        for place, value in enumerate(row[4:10]):
            sums[row.day][place] += value
        sums[row.day][7] += row.blocked_rests
    for row in old:
        sums[row.day][6] += row.delivered + row.hard_bounced
    return {day: Sent(*counts) for day, counts in sums.items()}


def share_name(provider: str) -> str:
    """Return how the policy names a plan's provider: "" for all that are not named."""
    return "" if provider == OTHER else provider


def share_for(
    demand: Demand | None,
    starts_on: date,
    before: int,
    sent: Mapping[date, Sent],
    today: date,
    *,
    allowance: int,
    held_because: str = "",
    not_ready: ShareKind | None = None,
) -> ShareDecision:
    """Return the share of a day and its reason.

    demand: None when the plan has nothing to send there any more; starts_on: the pool's first day;
    before: the share until now; sent: so far, by day; allowance: of all the pool's IPs today;
    held_because: why a person holds it, "" if nobody does; not_ready: the step that the first to
    move wait for, None if there is none.
    """
    if demand is None or not demand.pool.ips:
        return ShareDecision(before, ShareKind.NO_IPS, {})
    if today < starts_on:
        return ShareDecision(before, ShareKind.NOT_YET, {"starts_on": starts_on.isoformat()})
    if not before and not_ready is not None:
        return ShareDecision(0, not_ready, {})
    yesterday = sent.get(today - _DAY, Sent())
    return decide(
        replace(demand, messages_per_day=_busiest(demand, sent, today)),
        (today - starts_on).days + 1,
        before,
        allowance=allowance,
        most_before=max((one.ours for day, one in sent.items() if day < today), default=0),
        yesterday=yesterday.as_day(today - _DAY, allowance) if yesterday.attempted else None,
        held_because=held_because,
    )


def _busiest(demand: Demand, sent: Mapping[date, Sent], today: date) -> int:
    """Return the messages of a busy day: as planned, or of the last week when those were more."""
    week = [sent.get(today - number * _DAY, Sent()) for number in range(1, 8)]
    return max(demand.messages_per_day, *(one.ours + one.old for one in week))
