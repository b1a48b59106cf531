"""Local hours of messages on their way: quiet hours hold for retries, and new zone rules count.

What is scheduled was scheduled by one edition of the time zones' rules. A worker that starts under
another computes anew when such mail leaves, before it was tried (test case Z1).
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from merpati.adapters import codec
from merpati.adapters.clock import Clock
from merpati.adapters.time_zones import find_zone
from merpati.contracts.batch import LocalHours, Recipient
from merpati.delivery.feed import ShardFeeds
from merpati.message.local_time import leaves_at, open_from, open_time
from merpati.spool.shapes import Postponed, Scheduled, SpooledMessage

log = logging.getLogger(__name__)

STEP_MESSAGES = 500

_read_recipient = codec.unpacker(Recipient)


def opens_at(row: SpooledMessage, moment: int) -> int:
    """Return the first moment from one on at which a message may leave, by its local hours."""
    kept = _kept_hours(row)
    if kept is None:
        return moment
    return max(moment, _milliseconds(open_from(*kept, _moment(moment))))


def open_ms(row: SpooledMessage, now: int) -> int:
    """Return for how long a message might have left since it was due, by its local hours."""
    kept = _kept_hours(row)
    if kept is None:
        return now - row.starts_at
    open_for = open_time(*kept, _moment(row.starts_at), _moment(now))
    return round(open_for.total_seconds() * 1000)


def _kept_hours(row: SpooledMessage) -> tuple[LocalHours, ZoneInfo] | None:
    """Return the hours that hold for what waits; None: it may leave at any."""
    if row.starts_at <= row.injected_at:
        return None  # local hours are a schedule
    try:
        recipient = _read_recipient.decode(row.recipient)
    except codec.DecodeError:
        return None
    hours, zone = recipient.hours, find_zone(recipient.time_zone)
    return (hours, zone) if hours is not None and zone is not None and hours.is_kept else None


async def follow_zone_rules(home: ShardFeeds, edition: str, clock: Clock) -> None:
    """Compute anew when scheduled mail leaves, if that was done by another edition of the rules.

    Raises SpoolUnavailable; done again from the start then, which does no harm.
    """
    shard = home.shard
    if not (await shard.queues()) or await shard.zone_rules() == edition:
        return
    changed, after = 0, 0
    while True:
        now = clock.now()
        last, rows = await shard.scheduled(after, now, STEP_MESSAGES)
        if last is None:
            break
        after = last
        # What is in memory is about to leave by the old rules.
        moved = [
            (row.queue_id, put_off)
            for row in rows
            if row.message_id not in home.held and (put_off := _anew(row, now)) is not None
        ]
        # A page that is being read now must not bring them.
        home.held.update(put_off.message_id for _, put_off in moved)
        try:
            await shard.settle((), [put_off for _, put_off in moved])
        finally:
            home.release((), moved)
        changed += len(moved)
    await shard.keep_zone_rules(edition)
    log.info("zone_rules_followed shard=%d edition=%s moved=%d", shard.number, edition, changed)


def _anew(row: Scheduled, now: int) -> Postponed | None:
    try:
        recipient = _read_recipient.decode(row.recipient)
    except codec.DecodeError:
        return None
    hours, zone = recipient.hours, find_zone(recipient.time_zone)
    if hours is None or zone is None:
        return None
    starts_at = _milliseconds(leaves_at(hours, zone, _moment(row.not_before)))
    due_at = max(starts_at, now)
    if due_at == row.due_at:
        return None
    return Postponed(row.message_id, due_at, attempted=False, starts_at=starts_at)


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
