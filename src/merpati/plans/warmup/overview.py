"""A warm-up as people see it: each provider's last days, what holds now, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from merpati.events.provider_days import ProviderDay
from merpati.events.store import reading
from merpati.plans.models import WarmupOverride
from merpati.plans.warmup.ramps import Ramp, ramps_of
from merpati.plans.warmup.targets import targets_set
from merpati.reputation.reason import Reason
from merpati.sending.allowances_in_force import reason_of
from merpati.sending.models import ProviderAllowance, SendingIp

DAYS = 30


@dataclass(frozen=True, slots=True)
class ShownDay:
    """One day at one provider. allowance: None when nothing limited it; reason: of the level."""

    day: date
    allowance: int | None
    sent: int  # attempts
    delivered: int
    refused: int  # deferred or blocked
    reason: Reason | None
    pace_reason: Reason | None


@dataclass(frozen=True, slots=True)
class ShownProvider:
    """A provider: its last days, the newest last, and what holds now.

    reason: of what holds: the pace if something slows or pauses it, else the level. override: the
    person's decision for today, None without one. target: None when it is guessed.
    """

    provider: str
    days: list[ShownDay]
    messages: int
    messages_per_hour: int | None
    paused_until: datetime | None
    reason: Reason
    target: int | None
    override: WarmupOverride | None

    @property
    def today(self) -> ShownDay:
        """The last of the days."""
        return self.days[-1]


@dataclass(frozen=True, slots=True)
class ShownIp:
    """A sending IP and its providers, those with most mail first."""

    ip: SendingIp
    providers: list[ShownProvider]


def overview(
    events_file: Path, ips: Iterable[SendingIp], now: datetime, days: int = DAYS
) -> list[ShownIp]:
    """Return how the warm-up of these IPs goes. Raises sqlite3.Error."""
    today = now.date()
    since = today - timedelta(days=days - 1)
    with reading(events_file) as db:
        return [ShownIp(ip, _providers(ip, ramps_of(db, ip, since), since, now)) for ip in ips]


def _providers(
    ip: SendingIp, ramps: dict[str, Ramp], since: date, now: datetime
) -> list[ShownProvider]:
    today = now.date()
    targets = targets_set([ip.pk])
    overrides = {
        row.provider: row
        for row in WarmupOverride.objects.filter(
            sending_ip=ip, first_day__lte=today, last_day__gte=today
        ).order_by("id")
    }
    shown = []
    for provider, ramp in ramps.items():
        messages, reason = ramp.in_force()
        newest = ramp.allowances[-1] if ramp.allowances else None
        is_of_today = newest is not None and newest.day == today
        paused_until = newest.paused_until if newest is not None and is_of_today else None
        if newest is not None and is_of_today and newest.pace_reason:
            reason = reason_of(newest.pace_reason)
        shown.append(
            ShownProvider(
                provider,
                _days(ip, ramp, since, today),
                messages,
                newest.messages_per_hour if newest is not None and is_of_today else None,
                paused_until if paused_until is not None and paused_until > now else None,
                reason,
                targets.get((ip.pk, provider)),
                overrides.get(provider),
            )
        )
    shown.sort(key=lambda one: (-sum(day.sent for day in one.days), one.provider))
    return shown


def _days(ip: SendingIp, ramp: Ramp, since: date, today: date) -> list[ShownDay]:
    sent = {row.day: row for row in ramp.rows}
    decided = {row.day: row for row in ramp.allowances}
    level: int | None = None
    days = []
    for number in range((today - since).days + 1):
        day = since + timedelta(days=number)
        row = decided.get(day)
        level = row.messages if row is not None else level
        days.append(_day(day, level, sent.get(day), row))
    if ip.warms_by_provider and not ramp.allowances:
        days[-1] = _day(today, ramp.in_force()[0], sent.get(today), None)
    return days


def _day(
    day: date, level: int | None, row: ProviderDay | None, decided: ProviderAllowance | None
) -> ShownDay:
    return ShownDay(
        day,
        level,
        row.attempted if row else 0,
        row.delivered if row else 0,
        row.refused if row else 0,
        reason_of(decided.reason) if decided else None,
        reason_of(decided.pace_reason) if decided and decided.pace_reason else None,
    )
