"""A look over all queues of a worker, for people: what waits, how it goes, why it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import msgspec

from merpati.adapters.clock import Clock
from merpati.contracts.queues import LaneStatus, QueueStatus
from merpati.delivery.destinations import Destination, Whereto
from merpati.delivery.feed import Feed, ShardFeeds
from merpati.delivery.ip_choice import LocalPool
from merpati.delivery.lane import Lane, Line
from merpati.delivery.learned_pace import Learned, least
from merpati.delivery.lessons import LaneKey
from merpati.delivery.local_policy import LocalPolicy
from merpati.delivery.ready_queue import ReadyQueue
from merpati.delivery.reasons import (
    BacksOff,
    NextAttempt,
    Ordered,
    Paused,
    Reason,
    Said,
    Slowed,
    instead,
    kind,
    ordered,
    sentence,
    taught,
)
from merpati.delivery.sending_ip import LocalIp
from merpati.delivery.settling import Settler
from merpati.providers.directory import directory
from merpati.spool.shapes import QueueDepth


@dataclass(frozen=True, slots=True)
class Scene:
    """What is looked at. known: where a domain's mail goes, if that is at hand."""

    homes: Sequence[ShardFeeds]
    settlers: Mapping[int, Settler]
    policy: LocalPolicy
    known: Callable[[str], Whereto | None]
    lines: Sequence[Line]
    learned: Mapping[LaneKey, Learned]
    clock: Clock
    queues: Sequence[ReadyQueue]
    held: str = ""  # why nothing at all is begun


async def survey(scene: Scene) -> list[QueueStatus]:
    """Return the state of all queues that hold messages. Raises SpoolUnavailable."""
    found: dict[tuple[int, int, str], QueueStatus] = {}
    for home in scene.homes:
        for depth in (await home.shard.queues()).values():
            status = _status(scene, home, depth)
            key = (status.account_id, status.pool_id, status.provider)
            found[key] = _joined(found.get(key), status)
    return sorted(found.values(), key=lambda s: (s.account_id, s.pool, s.provider))


def _status(scene: Scene, home: ShardFeeds, depth: QueueDepth) -> QueueStatus:
    key = depth.key
    account = scene.policy.accounts.get(key.account_id)
    pool = scene.policy.pool_for(account, key.pool_id) if account else None
    provider = provider_of(key.domain, scene.known)
    used = _lines_of(scene.lines, pool, provider)
    in_flight = sum(line.in_flight for line in used)
    now = scene.clock.now()
    slowed = _slowed(scene, pool, provider)
    feed = home.feeds.get(depth.queue_id)
    queue = _queue_of(scene, feed, pool, provider)
    reason = _trouble(scene, home)
    if reason is None and not in_flight:
        reason = _reason(depth, feed, queue, now)
        if isinstance(reason, NextAttempt) and pool is not None:
            # Better than when: why, if nothing could leave before either.
            reason = _closed(scene, depth, pool, provider) or reason
        reason = reason or _tried_again(used, now)
    return QueueStatus(
        account_id=key.account_id,
        pool_id=pool.pool_id if pool else key.pool_id,
        pool=pool.name if pool else "",
        provider=provider,
        depth=depth.count,
        oldest_due_at=depth.earliest_due_at,
        in_flight=in_flight,
        connections=sum(len(line.sessions) for line in used),
        last_reply=next((line.last_reply for line in used if line.last_reply), depth.note),
        pace=_pace(used),
        reason=sentence(reason, now) if reason is not None else "",
        until=reason.until if reason is not None else None,
        why=kind(reason),
        by=reason.by if isinstance(reason, Ordered) else "",
        slowed=tuple(sentence(one, now) for one in slowed if one != reason),
        tls=next((line.tls for line in used if line.tls), ""),
        split=_split(scene, pool, provider, queue),
    )


def lanes_of(
    lines: Sequence[Line], learned: Mapping[LaneKey, Learned], clock: Clock
) -> list[LaneStatus]:
    """Return the pace of each lane: of those in use, and of those that replies slowed."""
    lanes = {line.lane.key: line.lane for line in lines}
    statuses = [
        _lane_status(key, lanes.get(key), learned.get(key), clock) for key in {**lanes, **learned}
    ]
    return sorted(statuses, key=lambda status: (status.sending_ip, status.provider))


def _lane_status(
    key: LaneKey, lane: Lane | None, learned: Learned | None, clock: Clock
) -> LaneStatus:
    configured = learned.configured if lane is None and learned is not None else None
    if lane is not None:
        configured = lane.configured
    assert configured is not None  # noqa: S101 - one of both there is
    pace = least(configured, learned.pace if learned is not None else None)
    reason = taught(learned, key, clock) if learned is not None else None
    return LaneStatus(
        *key,
        lane.connections if lane is not None else 0,
        pace.connections,
        pace.messages_per_connection,
        pace.messages_per_minute,
        configured.connections,
        configured.messages_per_minute,
        sentence(reason, clock.now()) if reason is not None else "",
        learned.since if learned is not None else None,
        reason.until if reason is not None else None,
        reason.until if isinstance(reason, Paused) and not isinstance(reason, Slowed) else None,
    )


def _slowed(scene: Scene, pool: LocalPool | None, provider: str) -> list[Paused | Slowed]:
    if not scene.learned or pool is None:
        return []
    keys = [(ip.address, provider) for ip in pool.ips]
    return [taught(scene.learned[key], key, scene.clock) for key in keys if key in scene.learned]


def _closed(
    scene: Scene, depth: QueueDepth, pool: LocalPool, provider: str
) -> Ordered | Paused | None:
    """Return what ends first of what keeps all sending IPs from sending what was deferred.

    Mail that was refused waits for the IP that was refused, so only that one counts.
    """
    now = scene.clock.now()
    held = [ordered(one) for one in scene.policy.orders_for(pool, provider) if now < one.until]
    if held:
        return held[0]
    bound = pool.member(depth.last_ip) if depth.is_bound else None
    reasons = [_why_closed(scene, ip, provider) for ip in ((bound,) if bound else pool.ips)]
    closed = [reason for reason in reasons if reason is not None]
    if not closed or len(closed) < len(reasons):
        return None
    return min(closed, key=lambda one: one.until)


def _why_closed(scene: Scene, ip: LocalIp, provider: str) -> Ordered | Paused | None:
    order = ip.order(provider, scene.clock.now())
    if order is not None:
        return ordered(order)
    learned = scene.learned.get((ip.address, provider))
    if learned is None or not learned.is_paused(scene.clock.elapsed()):
        return None
    return taught(learned, (ip.address, provider), scene.clock)


def _split(
    scene: Scene, pool: LocalPool | None, provider: str, queue: ReadyQueue | None
) -> tuple[str, ...]:
    """Return what is to be said of mail that is divided with an old provider."""
    split = scene.policy.split_for(pool, provider) if pool is not None else None
    if split is None:
        return ()
    name, paused = split.egress.name, split.migration.paused
    words = [
        f"{split.share / 100:g} % of the recipients go our way, "
        f"the others by the old provider {name}"
    ]
    if paused:
        words.append(f"the migration is paused: {paused}")
    now = scene.clock.now()
    if queue is not None and queue.reason is not None:
        goes_old = queue.is_spent and split.is_relieved
        words.append(instead(queue.reason, name, now) if goes_old else sentence(queue.reason, now))
    if queue is not None and queue.old is not None and queue.old.reason is not None:
        words.append(sentence(queue.old.reason, now))
    return tuple(words)


def provider_of(domain: str, known: Callable[[str], Whereto | None]) -> str:
    """Return who takes a domain's mail; while its MX is not known whom it hints at, or itself."""
    whereto = known(domain)
    if isinstance(whereto, Destination):
        return whereto.provider
    provider = directory().hint(domain)
    return provider.id if provider else domain


def _trouble(scene: Scene, home: ShardFeeds) -> Reason | None:
    words = scene.settlers[home.shard.number].reason or scene.held
    if not words and scene.policy.version == 0:
        words = "waits for the first sending policy"
    if not words and home.trouble:
        words = f"the spool cannot be read: {home.trouble}"
    return Said(words) if words else None


def _queue_of(
    scene: Scene, feed: Feed | None, pool: LocalPool | None, provider: str
) -> ReadyQueue | None:
    """Return the ready queue of a feed; once all it has is kept aside, the feed is forgotten."""
    if feed is not None and feed.placed_in is not None:
        return cast(ReadyQueue, feed.placed_in)
    for queue in scene.queues:
        if queue.old is not None and (queue.pool, queue.destination.provider) == (pool, provider):
            return queue
    return None


def _reason(
    depth: QueueDepth, feed: Feed | None, queue: ReadyQueue | None, now: int
) -> Reason | None:
    if feed is not None and feed.reason:
        return Said(feed.reason, feed.until)
    if queue is not None and queue.reason is not None:
        goes_old = queue.old is not None and queue.old.reason is None and queue.old.has_mail
        return None if goes_old else queue.reason
    if queue is not None and queue.old is not None and not queue.has_mail:
        return queue.old.reason
    if depth.earliest_due_at > now:
        return NextAttempt(depth.earliest_due_at)
    return None


def _tried_again(used: Sequence[Line], now: int) -> Reason | None:
    """Return why there was no connection so far, while the next is being opened."""
    failed = [line.backoff for line in used if line.backoff.failures]
    if not failed or any(line.sessions for line in used):
        return None
    return BacksOff(max(failed, key=lambda backoff: backoff.failures).reason, now)


def _lines_of(lines: Sequence[Line], pool: LocalPool | None, provider: str) -> list[Line]:
    addresses = {ip.address for ip in pool.ips + pool.overflow} if pool else set()
    return [
        line
        for line in lines
        if line.lane.provider == provider and line.lane.ip.address in addresses
    ]


def _pace(lines: list[Line]) -> str:
    if not lines:
        return ""
    lane = lines[0].lane
    own = lines[0].destination.messages_per_connection
    connections = f"{lane.connections_limit} connection{'s' * (lane.connections_limit != 1)}"
    each = f" of {own} messages" if own else ""
    rate = f", {lane.messages_per_minute}/min" if lane.messages_per_minute else ""
    spread = [allowance.per_hour for allowance in lane.allowances if allowance.per_hour]
    warming = f", {_rate(min(spread))} an hour while it warms up" if spread else ""
    return f"up to {connections}{each}{rate}{warming} per sending IP"


def _joined(one: QueueStatus | None, other: QueueStatus) -> QueueStatus:
    """Return the queues of several domains as the one they are for people."""
    if one is None:
        return other
    moving = not (one.why and other.why)
    return msgspec.structs.replace(
        one,
        depth=one.depth + other.depth,
        oldest_due_at=min(one.oldest_due_at or 0, other.oldest_due_at or 0),
        last_reply=one.last_reply or other.last_reply,
        reason="" if moving else one.reason,
        until=None if moving else one.until,
        why="" if moving else one.why,
        split=tuple(dict.fromkeys(one.split + other.split)),
    )


def _rate(messages: float) -> str:
    return f"{messages:,.0f}" if messages >= 10 else f"{messages:.2g}"
