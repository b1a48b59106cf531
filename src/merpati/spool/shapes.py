"""What the spool hands out and takes in. Times are milliseconds since the Unix epoch, UTC."""

from __future__ import annotations

import msgspec


class QueueKey(msgspec.Struct, frozen=True, array_like=True):
    """What all messages of one queue have in common; the ready queue is built from these."""

    account_id: int
    pool_id: int
    domain: str  # routing domain: the recipient's, lower case, ASCII
    tier: int = 0  # as in `contracts.batch.MessageRow`


class QueueDepth(msgspec.Struct, frozen=True, array_like=True):
    """One queue that holds messages. Those in flight count: they are on disk until settled.

    note, last_ip, is_bound: of the message that is due first, as in `SpooledMessage`.
    """

    queue_id: int
    key: QueueKey
    count: int
    earliest_due_at: int
    note: str = ""
    last_ip: str = ""
    is_bound: bool = False


class SpooledMessage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One waiting message, ready to be composed and sent.

    policy_version: the engine picks nothing before it holds this version of the sending policy.
    attempts: made so far. last_ip: sending IP of the last one, "" before it. note: what the last
    attempt came to, in few words, untrusted. is_bound: it blamed us, so no other IP may try.
    starts_at: what it was scheduled for, or injected_at. is_alone: no other message needs its
    content. bucket: as in `contracts.batch.MessageRow`.
    """

    message_id: int
    queue_id: int
    due_at: int
    content_id: int
    attempts: int
    last_ip: str
    note: str
    recipient: bytes  # msgpack of batch.Recipient
    account_id: int
    transmission_id: str
    injected_at: int
    policy_version: int
    starts_at: int
    is_bound: bool = False
    is_alone: bool = False
    bucket: int = 0


class Arrival(msgspec.Struct):
    """What a commit added to one queue.

    rows: the messages themselves, in their order, if all of them were handed over with the commit;
    fewer than `count`: they are to be read. contents: of those handed over, by id.
    """

    queue_id: int
    count: int
    earliest_due_at: int
    rows: list[SpooledMessage] = []
    contents: dict[int, bytes] = {}


class Postponed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message that stays: when it is due again, and what the attempt left behind.

    attempted: count an attempt (False when it only moves to another way or moment).
    last_ip, note, is_bound, starts_at: None keeps what is stored; a note is cut at 200 characters.
    """

    message_id: int
    due_at: int
    attempted: bool = True
    last_ip: str | None = None
    note: str | None = None
    is_bound: bool | None = None
    starts_at: int | None = None


class Scheduled(msgspec.Struct, frozen=True, array_like=True):
    """A message that was never tried and is due later. not_before: what its batch started at."""

    message_id: int
    queue_id: int
    due_at: int
    not_before: int
    recipient: bytes


class Cancellation(msgspec.Struct, frozen=True, array_like=True):
    """Mail that is to be cancelled: all of it that was accepted before that was asked.

    transmission_id: whose mail; "": that of the campaign.
    """

    cancellation_id: int
    account_id: int
    campaign_id: str
    before_id: int  # messages with ids below
    transmission_id: str = ""


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """A block of a day's allowance. used: what the day has granted in all, this block included."""

    messages: int
    used: int


class WaitingGroup(msgspec.Struct, frozen=True, array_like=True):
    """Messages of an account that wait for the same.

    bucket: the least of their recipients' buckets' division. is_bound, is_tried: as their last
    attempt left them. due_at: cut to the quarter of an hour. one_id: of one of them.
    """

    pool_id: int
    domain: str
    tier: int
    bucket: int
    is_bound: bool
    is_tried: bool
    due_at: int
    campaign_id: str
    messages: int
    one_id: int


class LanePace(msgspec.Struct, frozen=True, array_like=True):
    """What is learned about the pace of one sending IP at one provider; state: opaque here."""

    sending_ip: str
    provider: str
    state: bytes


class JournalRow(msgspec.Struct, frozen=True, array_like=True):
    """One record of the journal; see `contracts.event.JournalKind` for its payload.

    base_id: first message id of an injection record, 0 for others.
    """

    seq: int
    kind: int
    base_id: int
    payload: bytes


class ShardStatus(msgspec.Struct, frozen=True, array_like=True):
    """One shard as its worker sees it. trouble: why it refuses just now, "" when healthy."""

    number: int
    trouble: str
    waiting: int  # messages on disk, those in flight included
    queues: int  # queues that hold messages
    journal_rows: int  # not yet trimmed
    below_reserve: bool  # refuses new batches for want of disk space
    accepted: int = 0  # messages since the file was made
