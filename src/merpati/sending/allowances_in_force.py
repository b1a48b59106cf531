"""Which allowances by provider hold now, and why: for the sending policy and for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import cache
from typing import Any

from django.db.models import Max

from merpati.contracts import sending_policy as contract
from merpati.reputation.reason import Kind, Reason
from merpati.reputation.reason_words import in_words
from merpati.reputation.warmup import next_allowance
from merpati.sending.models import ProviderAllowance

_EPOCH = date(1970, 1, 1)
_NO_TARGET = 2**31 - 1


def latest(sending_ip_ids: Iterable[int]) -> list[ProviderAllowance]:
    """Return the newest row of each provider, for some IPs: the level that holds.

    The days come from the index alone, so that months of history cost little.
    """
    rows = ProviderAllowance.objects.filter(sending_ip_id__in=list(sending_ip_ids))
    newest = {
        (ip_id, provider): day
        for ip_id, provider, day in rows.order_by()
        .values("sending_ip_id", "provider")
        .annotate(newest=Max("day"))
        .values_list("sending_ip_id", "provider", "newest")
    }
    of_those_days = rows.filter(day__in=set(newest.values())).order_by("sending_ip_id", "provider")
    return [row for row in of_those_days if newest[row.sending_ip_id, row.provider] == row.day]


@cache
def first_allowance() -> int:
    """Return what a provider gets that nothing is known of."""
    return next_allowance((), _NO_TARGET).messages_per_day


def for_policy(sending_ip_ids: Iterable[int]) -> dict[int, list[contract.ProviderAllowance]]:
    """Return the engine's allowances by sending IP, of IPs that warm up by provider.

    Only the newest of each provider: its level goes on until there is another.
    """
    found: dict[int, list[contract.ProviderAllowance]] = {}
    for row in latest(sending_ip_ids):
        found.setdefault(row.sending_ip_id, []).append(
            contract.ProviderAllowance(
                provider=row.provider,
                day=(row.day - _EPOCH).days,
                messages=row.messages,
                messages_per_hour=row.messages_per_hour,
                paused_until=_milliseconds(row.paused_until),
                reason=in_words(reason_in_force(row), "en"),
            )
        )
    return found


def reason_in_force(row: ProviderAllowance) -> Reason:
    """Return what explains an allowance now: the pace if something slows it, else the level."""
    return reason_of(row.pace_reason or row.reason)


def as_data(reason: Reason) -> dict[str, Any]:
    """Return a reason as it is kept."""
    return {"kind": reason.kind.value, "facts": dict(reason.facts)}


def reason_of(data: Mapping[str, Any]) -> Reason:
    """Return a reason that was kept."""
    return Reason(Kind(data["kind"]), data["facts"])


def _milliseconds(moment: datetime | None) -> int:
    return int(moment.timestamp() * 1000) if moment is not None else 0
