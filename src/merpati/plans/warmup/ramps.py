"""One sending IP at one provider, read whole: what was sent on each day and what was allowed."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from merpati.events.provider_days import ProviderDay, provider_days
from merpati.plans.warmup.history import days_of
from merpati.reputation.history import Day
from merpati.reputation.reason import Kind, Reason
from merpati.sending.allowances_in_force import first_allowance, reason_of
from merpati.sending.models import ProviderAllowance, SendingIp


@dataclass(slots=True)
class Ramp:
    """rows: the days on which something was sent; allowances: those that were written. In order."""

    ip: SendingIp
    provider: str
    rows: list[ProviderDay] = field(default_factory=list)
    allowances: list[ProviderAllowance] = field(default_factory=list)

    def days(self) -> list[Day]:
        """Return the days as the controller reads them."""
        levels = {row.day: row.messages for row in self.allowances}
        return days_of(self.rows, levels, first_allowance())

    def in_force(self) -> tuple[int, Reason]:
        """Return the level that holds until another is written, and its reason."""
        if self.allowances:
            newest = self.allowances[-1]
            return newest.messages, reason_of(newest.reason)
        messages = first_allowance()
        return messages, Reason(Kind.FIRST_DAY, {"messages": messages})


def ramps_of(
    db: sqlite3.Connection, ip: SendingIp, since: date, providers: Sequence[str] = ()
) -> dict[str, Ramp]:
    """Return an IP's ramps from a day on, by provider; providers: () for all."""
    found: dict[str, Ramp] = {}
    for row in provider_days(db, [ip.address], since, providers):
        found.setdefault(row.provider, Ramp(ip, row.provider)).rows.append(row)
    written = ProviderAllowance.objects.filter(sending_ip=ip, day__gte=since).order_by("day")
    for allowance in written.filter(provider__in=providers) if providers else written:
        ramp = found.setdefault(allowance.provider, Ramp(ip, allowance.provider))
        ramp.allowances.append(allowance)
    return found


def shared_with(ip: SendingIp) -> list[str]:
    """Return the addresses that carry the mail of an IP's pool, the overflow pool's among them."""
    pools = [ip.pool_id, *filter(None, [ip.pool.overflow_pool_id])]
    found = SendingIp.objects.filter(account_id=ip.account_id, pool_id__in=pools)
    return list(found.order_by("slot").values_list("address", flat=True))


def days_by_provider(
    db: sqlite3.Connection, addresses: Sequence[str], since: date
) -> dict[str, list[ProviderDay]]:
    """Return what some IPs sent together, by provider."""
    found: dict[str, list[ProviderDay]] = defaultdict(list)
    for row in provider_days(db, addresses, since):
        found[row.provider].append(row)
    return found
