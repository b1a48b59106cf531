"""The outlook of campaigns: what waits in the spool, and the ways that policy and worker give it.

Read from disk, so it is there while Merpati is stopped too; then providers are those that domains
were last known to be with, and what replies taught about the pace is left out.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from merpati.adapters import codec
from merpati.contracts.batch import Recipient
from merpati.contracts.sending_policy import SendingPolicy
from merpati.events import outlook_words
from merpati.events.outlook import Held, Part, Queue, Waiting, estimate
from merpati.events.outlook_lane import DAY_MS
from merpati.events.outlook_ways import Ways
from merpati.events.worker_view import KnownWaysOf, nobody_knows
from merpati.spool.errors import SpoolUnavailable
from merpati.spool.reading import snapshot
from merpati.spool.shapes import WaitingGroup

_read_recipient = codec.unpacker(Recipient)


@dataclass(frozen=True, slots=True)
class Outlook:
    """When a campaign's last message leaves. parts: the last to leave first; none: nothing waits.

    pools: their names, by id. suspended, on_hold: why the account's mail, or all mail, stands
    still, "" when it does not.
    """

    campaign_id: str
    now: int
    parts: Sequence[Part]
    pools: Mapping[int, str]
    suspended: str = ""
    on_hold: str = ""

    @property
    def is_stopped(self) -> bool:
        """Whether nothing leaves at all at present."""
        return bool(self.suspended or self.on_hold)

    @property
    def messages(self) -> int:
        """How many of its messages wait."""
        return sum(part.messages for part in self.parts)

    @property
    def last_at(self) -> int | None:
        """When the last leaves, None when that is not foreseen."""
        return _latest(self, [part.last_at for part in self.parts])

    @property
    def earliest_at(self) -> int | None:
        """When the last leaves if all goes well, None when that is not foreseen."""
        return _latest(self, [part.earliest_at for part in self.parts])

    @property
    def holding(self) -> list[Part]:
        """The parts that something holds."""
        return [part for part in self.parts if part.held is not Held.NOTHING]


class Outlooks:
    """The outlooks of all accounts' campaigns, for any thread.

    policy: reads the published one. known: asks the worker of a shard. held: why all delivery is
    held, "" when it is not.
    """

    def __init__(
        self,
        spool: Path,
        policy: Callable[[], SendingPolicy | None],
        known: KnownWaysOf = nobody_knows,
        held: Callable[[], str] = str,
    ) -> None:
        self._spool = spool
        self._policy = policy
        self._known = known
        self._held = held

    def of(self, account_id: int, shard: int, campaign_id: str, now: int) -> Outlook:
        """Return a campaign's outlook; shard: that of the account. Raises SpoolUnavailable."""
        found = self.all(account_id, shard, now)
        nothing = Outlook(campaign_id, now, (), {})
        return next((one for one in found if one.campaign_id == campaign_id), nothing)

    def all(self, account_id: int, shard: int, now: int) -> list[Outlook]:
        """Return the outlooks of an account's campaigns of which mail waits, the last done first.

        Mail without a campaign counts as one, of the id "". Raises SpoolUnavailable.
        """
        try:
            policy = self._policy() or SendingPolicy(0, "")
            shares = Ways(policy, account_id).shares
            with snapshot(self._spool, shard) as spool:
                groups = spool.waiting_of(account_id, shares) if spool is not None else []
                used = spool.granted(now // DAY_MS) if spool is not None else {}
            if not groups:
                return []
            known = self._known(shard, sorted({group.domain for group in groups}))
            ways = Ways(policy, account_id, used, known)
            parts = _parts(groups, ways, now)
            with snapshot(self._spool, shard) as spool:
                wanted = [one_id for _, one_id in parts if one_id]
                recipients = spool.recipients(wanted) if spool is not None and wanted else {}
        except (sqlite3.Error, OSError, codec.DecodeError) as error:
            raise SpoolUnavailable(f"what waits cannot be read: {error}") from error
        by_campaign: dict[str, list[Part]] = defaultdict(list)
        for part, one_id in parts:
            told = (
                replace(part, held=_schedule(recipients[one_id])) if one_id in recipients else part
            )
            by_campaign[part.campaign_id].append(told)
        pools = {pool.pool_id: pool.name for pool in policy.pools}
        suspended = ways.account.suspended if ways.account is not None else ""
        held = self._held()
        found = [
            Outlook(one, now, some, pools, suspended, held) for one, some in by_campaign.items()
        ]
        return sorted(found, key=lambda one: -(one.last_at or now + 365 * DAY_MS))


def document(found: Outlook) -> dict[str, Any]:
    """Return an outlook as JSON has it."""
    return {**summary(found), "parts": [_part(found, part) for part in found.parts]}


def summary(found: Outlook) -> dict[str, Any]:
    """Return an outlook without its parts, of which there may be hundreds."""
    return {
        "campaign_id": found.campaign_id,
        "waiting": found.messages,
        "last_at": _iso(found.last_at),
        "earliest_at": _iso(found.earliest_at),
        "sentence": outlook_words.sentence(found),
    }


def _parts(groups: Iterable[WaitingGroup], ways: Ways, now: int) -> list[tuple[Part, int]]:
    """Return the parts, each with a message of its last if only that tells what it waits for."""
    counted: dict[tuple[Queue, int, Held], Counter[str]] = defaultdict(Counter)
    one_of: dict[tuple[str, Queue, int], int] = {}
    for group in groups:
        queue = ways.queue(
            group.pool_id, group.domain, group.tier, group.bucket, is_refused=group.is_bound
        )
        due_at = max(group.due_at, now)
        held = Held.RETRY if group.is_tried else Held.SCHEDULE
        counted[queue, due_at, held][group.campaign_id] += group.messages
        one_of[group.campaign_id, queue, due_at] = group.one_id
    waiting = [Waiting(*key[:2], campaigns, key[2]) for key, campaigns in counted.items()]
    of_queue = {one.queue: ways.of(one.queue) for one in waiting}
    hopeful = {
        (part.campaign_id, part.queue): part.last_at
        for part in estimate(waiting, of_queue, now, hopeful=True)
    }
    found = []
    for part in estimate(waiting, of_queue, now):
        early = replace(part, earliest_at=hopeful[part.campaign_id, part.queue])
        is_scheduled = part.held is Held.SCHEDULE
        one_id = one_of[part.campaign_id, part.queue, part.due_at] if is_scheduled else 0
        found.append((early, one_id))
    return found


def _schedule(recipient: bytes) -> Held:
    """Return what a scheduled message waits for."""
    try:
        hours = _read_recipient.decode(recipient).hours
    except codec.DecodeError:
        return Held.SCHEDULE
    if hours is None:
        return Held.SCHEDULE
    return Held.QUIET_HOURS if hours.at is None else Held.LOCAL_HOUR


def _latest(found: Outlook, moments: Sequence[int | None]) -> int | None:
    known = [at for at in moments if at is not None]
    return max(known) if known and len(known) == len(moments) and not found.is_stopped else None


def _part(found: Outlook, part: Part) -> dict[str, Any]:
    return {
        "ip_pool": found.pools.get(part.queue.pool_id, str(part.queue.pool_id)),
        "provider": part.queue.provider,
        "by_old_provider": part.queue.by_old,
        "waiting": part.messages,
        "last_at": None if found.is_stopped else _iso(part.last_at),
        "earliest_at": None if found.is_stopped else _iso(part.earliest_at),
        "held_by": part.held,
        "sending_ips": list(part.sending_ips),
        "for_tomorrow": part.for_tomorrow,
        "sentence": outlook_words.reason(part) or None,
    }


def _iso(at: int | None) -> str | None:
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")
