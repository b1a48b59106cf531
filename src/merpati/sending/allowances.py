"""Allowances by mailbox provider: what a warming IP may send to whom on a day, and why.

The only writer of `ProviderAllowance`; `plans/warmup/` decides. A write is one transaction and one
new policy version, however many it decides: the workers follow within two seconds. A day has its
level once, from whoever comes first; the pace within the day may change as often as it must.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from merpati.reputation.reason import Reason
from merpati.sending import policy
from merpati.sending.allowances_in_force import as_data, latest
from merpati.sending.models import ProviderAllowance


@dataclass(frozen=True, slots=True)
class Level:
    """What an IP may send to a provider on a UTC day."""

    sending_ip_id: int
    provider: str
    day: date
    messages: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class PaceNow:
    """How fast the rest of a day may go; level: the day's, kept if it was decided before.

    messages_per_hour: None for evenly. paused_until: None for no pause.
    """

    level: Level
    messages_per_hour: int | None
    paused_until: datetime | None
    reason: Reason | None


Key = tuple[int, str, date]
"""Sending IP, provider, day."""


def write_allowances(
    levels: Iterable[Level], paces: Iterable[PaceNow] = (), *, now: datetime
) -> tuple[list[Level], list[PaceNow]]:
    """Keep the levels of days that have none yet, and paces that are new; return those written.

    A day without a row goes evenly: a pace that says no more makes none.
    """
    levels, paces = list(levels), list(paces)
    with transaction.atomic():  # whoever writes waits for whoever does: what is read here stands
        kept = _kept([*levels, *(pace.level for pace in paces)])
        new_levels = [level for level in levels if _key(level) not in kept]
        rows = {_key(level): _row(level, now) for level in new_levels}
        changed = []
        for pace in paces:
            key = _key(pace.level)
            row = kept.get(key) or rows.get(key) or _row(pace.level, now)
            if _take_pace(row, pace, now):
                changed.append(pace)
                if key not in kept:
                    rows[key] = row
        ProviderAllowance.objects.bulk_create(rows.values(), batch_size=500)
        again = [kept[key] for key in map(_key, (p.level for p in changed)) if key in kept]
        if again:
            ProviderAllowance.objects.bulk_update(again, _PACE_FIELDS, batch_size=200)
        if rows or again:
            policy.bump()
    return new_levels, changed


def replace_level(level: Level, *, now: datetime) -> None:
    """Put a person's level in the place of a day's, and end what slows or pauses that day.

    For an action that brings its transaction, and records who decided.
    """
    ProviderAllowance.objects.update_or_create(
        sending_ip_id=level.sending_ip_id,
        provider=level.provider,
        day=level.day,
        defaults={
            "messages": level.messages,
            "reason": as_data(level.reason),
            "messages_per_hour": None,
            "paused_until": None,
            "pace_reason": None,
            "decided_at": now,
        },
    )
    policy.bump()


def forget_before(day: date) -> int:
    """Forget rows from before a day, but not what still holds; return how many."""
    old = ProviderAllowance.objects.filter(day__lt=day)
    kept = {row.pk for row in latest(set(old.values_list("sending_ip_id", flat=True)))}
    with transaction.atomic():
        forgotten, _ = old.exclude(pk__in=kept).delete()
    return forgotten


_PACE_FIELDS = ["messages_per_hour", "paused_until", "pace_reason", "decided_at"]


def _key(level: Level) -> Key:
    return level.sending_ip_id, level.provider, level.day


def _kept(levels: Sequence[Level]) -> dict[Key, ProviderAllowance]:
    """Return the rows there are, with others of the same IPs and days."""
    rows = ProviderAllowance.objects.filter(
        sending_ip_id__in={level.sending_ip_id for level in levels},
        day__in={level.day for level in levels},
    )
    return {(row.sending_ip_id, row.provider, row.day): row for row in rows}


def _row(level: Level, now: datetime) -> ProviderAllowance:
    return ProviderAllowance(
        sending_ip_id=level.sending_ip_id,
        provider=level.provider,
        day=level.day,
        messages=level.messages,
        reason=as_data(level.reason),
        decided_at=now,
    )


def _take_pace(row: ProviderAllowance, pace: PaceNow, now: datetime) -> bool:
    """Change a row, not yet saved; return whether its pace is another than before."""
    is_new = (row.messages_per_hour, row.paused_until) != (
        pace.messages_per_hour,
        pace.paused_until,
    )
    if is_new:
        row.messages_per_hour, row.paused_until = pace.messages_per_hour, pace.paused_until
        row.pace_reason = as_data(pace.reason) if pace.reason is not None else None
        row.decided_at = now
    return is_new
