"""A look over all queues of a worker, for people: what waits, how it goes, why it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from merpati.delivery.destinations import Destination, Whereto
from merpati.delivery.feed import Feed, ShardFeeds
from merpati.delivery.lane import Line
from merpati.delivery.local_policy import LocalPolicy
from merpati.delivery.ready_queue import LocalPool, ReadyQueue
from merpati.delivery.settling import Settler
from merpati.delivery.status import QueueStatus
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
    now: int
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
    whereto = scene.known(key.domain)
    provider = whereto.provider if isinstance(whereto, Destination) else _hint(key.domain)
    used = _lines_of(scene.lines, pool, provider)
    in_flight = sum(line.in_flight for line in used)
    trouble = _trouble(scene, home)
    reason, until = _reason(depth, home.feeds.get(depth.queue_id), trouble, scene.now)
    if in_flight and not trouble:
        reason, until = "", None
    return QueueStatus(
        account_id=key.account_id,
        pool_id=pool.pool_id if pool else key.pool_id,
        pool=pool.name if pool else "",
        provider=provider,
        depth=depth.count,
        oldest_due_at=depth.earliest_due_at,
        in_flight=in_flight,
        connections=sum(len(line.sessions) for line in used),
        last_reply=next((line.last_reply for line in used if line.last_reply), ""),
        pace=_pace(used),
        reason=reason,
        until=until,
        tls=next((line.tls for line in used if line.tls), ""),
    )


def _hint(domain: str) -> str:
    """Return whom a domain was last known to be with, as long as its MX is not known; or itself."""
    provider = directory().hint(domain)
    return provider.id if provider else domain


def _trouble(scene: Scene, home: ShardFeeds) -> str:
    if reason := scene.settlers[home.shard.number].reason:
        return reason
    if scene.held:
        return scene.held
    if scene.policy.version == 0:
        return "waits for the first sending policy"
    return f"the spool cannot be read: {home.trouble}" if home.trouble else ""


def _reason(depth: QueueDepth, feed: Feed | None, trouble: str, now: int) -> tuple[str, int | None]:
    if trouble:
        return trouble, None
    if feed is not None and feed.reason:
        return feed.reason, feed.until
    queue: ReadyQueue | None = feed.placed_in if feed is not None else None
    if queue is not None and queue.reason:
        return queue.reason, queue.until
    if depth.earliest_due_at > now:
        return "waits for the next attempt", depth.earliest_due_at
    return "", None


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
    return f"up to {connections}{each}{rate} per sending IP"


def _joined(one: QueueStatus | None, other: QueueStatus) -> QueueStatus:
    """Return the queues of several domains as the one they are for people."""
    if one is None:
        return other
    moving = not (one.reason and other.reason)
    return msgspec.structs.replace(
        one,
        depth=one.depth + other.depth,
        oldest_due_at=min(one.oldest_due_at or 0, other.oldest_due_at or 0),
        reason="" if moving else one.reason,
        until=None if moving else one.until,
    )
