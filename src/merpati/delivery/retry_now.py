"""Deferred mail tried again at once, because somebody who mended the cause asks for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable

from merpati.adapters.clock import Clock
from merpati.contracts.queues import Retry
from merpati.delivery.destinations import Destinations, Whereto
from merpati.delivery.feed import ShardFeeds
from merpati.delivery.lane import Line
from merpati.delivery.lessons import LaneKey, Lessons
from merpati.delivery.local_policy import LocalPolicy
from merpati.delivery.survey import provider_of
from merpati.spool.shapes import QueueKey

LOOKUP_SECONDS = 5.0  # who asks for the retry waits 15 seconds at most


async def retry_now(
    wanted: Retry,
    homes: Iterable[ShardFeeds],
    policy: LocalPolicy,
    known: Callable[[str], Whereto | None],
    clock: Clock,
) -> int:
    """Make what is wanted due; return how many messages. Raises SpoolUnavailable."""
    count = 0
    for home in homes:
        for depth in (await home.shard.queues()).values():
            if _is_wanted(wanted, depth.key, policy, known):
                now = clock.now()
                count += await home.shard.make_due(depth.queue_id, now, wanted.sending_ip)
    return count


async def look_up_unknown(
    wanted: Retry,
    homes: Iterable[ShardFeeds],
    destinations: Destinations,
) -> None:
    """Find out who takes the mail of wanted accounts' domains of which nobody asked so far.

    After a restart that is all that was deferred. Ends in time for a caller who waits; what DNS
    did not tell by then is taken for what its domain hints at. Raises SpoolUnavailable.
    """
    domains = {
        depth.key.domain
        for home in homes
        for depth in (await home.shard.queues()).values()
        if wanted.account_id in (None, depth.key.account_id)
        and destinations.last_known(depth.key.domain) is None
    }
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LOOKUP_SECONDS):
            await asyncio.gather(*map(destinations.find, domains))


def lift(wanted: Retry, policy: LocalPolicy, lessons: Lessons, lines: Iterable[Line]) -> None:
    """Forget what replies and failed connections taught the wanted lanes."""
    ips = {
        ip.address: ip
        for pool in policy.pools.values()
        if wanted.account_id in (None, pool.account_id) and wanted.pool_id in (None, pool.pool_id)
        for ip in pool.ips
        if wanted.sending_ip in ("", ip.address)
    }

    def is_meant(key: LaneKey) -> bool:
        return key[0] in ips and wanted.provider in ("", key[1])

    for key, _ in lessons:
        if is_meant(key):
            lessons.forget(key)
            if (warmup := ips[key[0]].warmup) is not None:
                warmup.uncut(key[1])
    for line in lines:
        if is_meant(line.lane.key):
            line.backoff.worked()


def _is_wanted(
    wanted: Retry, key: QueueKey, policy: LocalPolicy, known: Callable[[str], Whereto | None]
) -> bool:
    account = policy.accounts.get(key.account_id)
    pool = policy.pool_for(account, key.pool_id) if account else None
    return (
        wanted.account_id in (None, key.account_id)
        and wanted.pool_id in (None, pool.pool_id if pool else key.pool_id)
        and wanted.provider in ("", provider_of(key.domain, known))
    )
