"""The pace within a day: decided anew when more was refused, and every half hour."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from merpati.events.provider_days import ProviderDay
from merpati.plans.warmup.deciding import pace_for
from merpati.plans.warmup.history import LOOKS_BACK, day_of
from merpati.plans.warmup.overrides import overridden_on
from merpati.plans.warmup.ramps import Ramp, ramps_of
from merpati.sending.allowances import Level, PaceNow
from merpati.sending.models import SendingIp

LOOKS_EVERY = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one provider, and when."""

    at: datetime
    row: ProviderDay


def turns_away(row: ProviderDay, before: Look | None) -> bool:
    """Return whether a block let the IP rest since the last look, or most was blocked since."""
    blocked, attempted, rests = row.blocked, row.attempted, row.blocked_rests
    if before is not None and before.row.day == row.day:
        blocked -= before.row.blocked
        attempted -= before.row.attempted
        rests -= before.row.blocked_rests
    return rests > 0 or (blocked > 0 and 2 * blocked >= attempted)


def is_due(row: ProviderDay, before: Look | None, now: datetime) -> bool:
    """Return whether a provider's pace is to be decided anew; row: its counts of today."""
    return (
        before is None
        or before.row.day != row.day
        or row.refused > before.row.refused
        or row.rests > before.row.rests
        or row.complaints > before.row.complaints
        or now - before.at >= LOOKS_EVERY
    )


def paces_of(
    db: sqlite3.Connection, ip: SendingIp, rows: Iterable[ProviderDay], today: date
) -> list[PaceNow]:
    """Return how fast the rest of today may go, for the providers of these counts of today."""
    now_of = {row.provider: row for row in rows}
    ramps = ramps_of(db, ip, today - LOOKS_BACK, list(now_of))
    overridden = overridden_on(ip.pk, today)
    paces = []
    for provider, row in now_of.items():
        ramp = ramps.get(provider) or Ramp(ip, provider)
        messages, reason = ramp.in_force()
        level = Level(ip.pk, provider, today, messages, reason)
        history = [day for day in ramp.days() if day.day < today]
        pace = pace_for(history, day_of(row, messages), overridden.get(provider))
        if pace is None:
            paces.append(PaceNow(level, None, None, None))
        elif pace.messages_per_hour:
            paces.append(PaceNow(level, pace.messages_per_hour, None, pace.reason))
        else:
            paces.append(PaceNow(level, None, pace.until, pace.reason))
    return paces
