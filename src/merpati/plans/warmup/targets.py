"""How many messages a day a warming IP is to carry to a provider in the end.

What the operator or a plan set; else a guess from what is seen. It must not hold the ramp back, for
what is sent during a warm-up is what the allowance let through: so three times the busiest day's
messages, or, if that is more, this IP's equal part of what its pool and the overflow pool carry.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

from merpati.events.provider_days import ProviderDay
from merpati.plans.models import WarmupTarget

LEAST_GUESS = 10_000
_ABOVE_THE_BUSIEST_DAY = 3
_LOOKS_BACK = timedelta(days=30)


def guessed_target(own: Iterable[ProviderDay], pool: Iterable[ProviderDay], pool_ips: int) -> int:
    """Return a target for an IP at a provider. Pure.

    own: its days there; pool: those of all IPs that share its mail, itself among them.
    """
    busiest = max((row.offered for row in own), default=0)
    by_day: dict[date, int] = defaultdict(int)
    for row in pool:
        by_day[row.day] += row.offered
    share = max(by_day.values(), default=0) // max(1, pool_ips)
    return max(LEAST_GUESS, _ABOVE_THE_BUSIEST_DAY * busiest, share)


def lately(rows: Iterable[ProviderDay], day: date) -> list[ProviderDay]:
    """Return the days that a guess is made from."""
    return [row for row in rows if row.day >= day - _LOOKS_BACK]


def targets_set(sending_ip_ids: Sequence[int]) -> Mapping[tuple[int, str], int]:
    """Return what somebody set, by IP and provider."""
    rows = WarmupTarget.objects.filter(sending_ip_id__in=sending_ip_ids)
    return {(row.sending_ip_id, row.provider): row.messages_per_day for row in rows}
