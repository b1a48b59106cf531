"""Batches and events for the spool's tests, and how to look at what a shard holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from merpati.adapters.codec import pack, unpacker
from merpati.contracts.batch import Batch, MessageRow, Recipient
from merpati.contracts.event import (
    Event,
    EventType,
    InjectedRecipient,
    Injection,
    JournalKind,
    Settlement,
)
from merpati.spool.reading import snapshot
from merpati.spool.shapes import SpooledMessage
from merpati.spool.shard import Shard

NINE = 1_772_442_000_000  # 2026-03-02 09:00 UTC
FAR = 1 << 60
LARGE = 300 << 10  # bytes of content that becomes a file

read_events = unpacker(list[Event]).decode
read_recipient = unpacker(Recipient).decode


def batch(  # the one way tests make batches
    recipients: Sequence[str] = ("ani@gmail.com",),
    *,
    key: str | None = None,
    fingerprint: bytes = b"f",
    reply: bytes = b"reply",
    account_id: int = 3,
    pool_id: int = 1,
    due_at: int = NINE,
    content: bytes = b"content",
    suppressed: Sequence[int] = (),
    injected_at: int = NINE,
    policy_version: int = 1,
) -> Batch:
    """Return a batch; `suppressed` are the indexes that get an id but no row."""
    rows = [
        MessageRow(n, address.rpartition("@")[2], due_at, pack(Recipient(address)))
        for n, address in enumerate(recipients)
        if n not in suppressed
    ]
    told = Injection(
        account_id, "77", injected_at, "default", "a@b.example", "b.example", "Hai",
        [InjectedRecipient(address) for address in recipients],
    )  # fmt: skip
    return Batch(
        account_id, "77", pool_id, policy_version, injected_at, len(recipients), content, rows,
        pack(told), key, fingerprint, reply,
    )  # fmt: skip


def delivered(message_id: int) -> Event:
    """Return the event of a delivery."""
    return Event(
        EventType.DELIVERY, NINE, 3, message_id, "77", NINE, "ani@gmail.com", Settlement.DELIVERED
    )


async def everything(shard: Shard) -> list[SpooledMessage]:
    """Return all messages of a shard, by queue, due time and id."""
    return [
        message
        for queue_id in sorted(await shard.queues())
        for message in await shard.due(queue_id, FAR, 1_000_000)
    ]


async def addresses(shard: Shard) -> list[str]:
    """Return whom all messages of a shard are for, sorted."""
    return sorted(read_recipient(one.recipient).rcpt_to for one in await everything(shard))


def settled_in_journal(directory: Path, number: int = 0) -> list[int]:
    """Return the message ids whose settlement the journal tells, in its order."""
    with snapshot(directory, number) as shard:
        assert shard is not None
        return [
            event.message_id
            for row in shard.journal_after(0, 1_000_000)
            if row.kind == JournalKind.EVENTS
            for event in read_events(row.payload)
            if event.settlement is not None
        ]
