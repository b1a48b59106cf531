"""What one group of operations comes to, worked out in memory before anything is written.

So that a group costs a handful of statements however many callers are in it, and what fails for one
caller (a used key, a malformed batch) fails before it has touched its neighbours. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

from merpati.adapters.codec import pack
from merpati.contracts.batch import Accepted, Batch
from merpati.contracts.event import Event, JournalKind
from merpati.spool.errors import BatchRefused, IdempotencyConflict
from merpati.spool.files import INLINE_LIMIT
from merpati.spool.shapes import Arrival, Postponed, QueueKey, SpooledMessage

NOTE_LIMIT = 200  # characters
HANDED_OVER = 16  # messages of a batch; larger batches are read page by page


@dataclass(slots=True)
class Counters:
    """The next number of each kind; numbers are never used twice."""

    message: int
    content: int
    queue: int
    journal: int


class UsedKey(NamedTuple):
    """An idempotency key that was accepted."""

    fingerprint: bytes
    base_id: int
    reply: bytes


class Live(NamedTuple):
    """Where a message on disk belongs."""

    queue_id: int
    content_id: int


class Needed(NamedTuple):
    """A content on disk, and how many messages need it."""

    refs: int
    in_file: bool


@dataclass(slots=True)
class Draft:
    """Rows to insert, ids to delete, counters to move; tuples in the order of the columns."""

    counters: Counters
    queue_ids: Mapping[QueueKey, int]  # as on disk
    now: int
    used_keys: dict[tuple[int, str], UsedKey] = field(default_factory=dict)  # those asked for
    live: dict[int, Live] = field(default_factory=dict)  # those of the messages to settle
    held: dict[int, Needed] = field(default_factory=dict)  # the contents of these

    new_queues: dict[QueueKey, int] = field(default_factory=dict)
    arrivals: dict[int, Arrival] = field(default_factory=dict)
    departures: dict[int, int] = field(default_factory=dict)  # by queue
    released: dict[int, int] = field(default_factory=dict)  # references, by content
    contents: list[tuple[object, ...]] = field(default_factory=list)
    bodies: list[tuple[int, bytes]] = field(default_factory=list)
    files: list[tuple[int, bytes]] = field(default_factory=list)
    messages: list[tuple[object, ...]] = field(default_factory=list)
    journal: list[tuple[int, int, int, bytes]] = field(default_factory=list)
    keys: list[tuple[object, ...]] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    postponed: dict[int, list[tuple[object, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.counters = replace(self.counters)  # ours until the commit

    def repeated(self, batch: Batch) -> Accepted | None:
        """Return the former answer if the batch's key was accepted before.

        Raises IdempotencyConflict when that was another request.
        """
        key = batch.idempotency_key
        if key is None or (used := self.used_keys.get((batch.account_id, key))) is None:
            return None
        if used.fingerprint != batch.fingerprint:
            raise IdempotencyConflict(key)
        return Accepted(used.base_id, repeated=True, reply=used.reply)

    def append(self, batch: Batch) -> Accepted:
        """Add a batch. Raises BatchRefused before anything is changed."""
        check(batch)
        base_id = self.counters.message
        self.counters.message += batch.size
        if batch.messages:
            self._add_messages(batch, base_id, self._add_content(batch))
        self._record(JournalKind.INJECTION, base_id, batch.injection)
        if (key := batch.idempotency_key) is not None:
            used = UsedKey(batch.fingerprint, base_id, batch.reply)
            self.used_keys[batch.account_id, key] = used
            self.keys.append((key, batch.account_id, *used, self.now))
        return Accepted(base_id)

    def record(self, kind: JournalKind, payload: bytes) -> None:
        """Add what came from outside. Raises BatchRefused for a kind that comes with messages."""
        if kind in {JournalKind.INJECTION, JournalKind.EVENTS}:
            raise BatchRefused(f"{kind.name.lower()} records come with their messages only")
        self._record(kind, 0, payload)

    def settle(
        self, settled: Sequence[int], postponed: Sequence[Postponed], events: Sequence[Event]
    ) -> None:
        """Remove messages, put off others, record the events of those that are still there."""
        gone: set[int] = set()
        for message_id in settled:
            place = self.live.pop(message_id, None)
            if place is None:
                gone.add(message_id)
                continue
            self.settled.append(message_id)
            self.departures[place.queue_id] = self.departures.get(place.queue_id, 0) + 1
            self.released[place.content_id] = self.released.get(place.content_id, 0) + 1
        for one in postponed:
            if one.message_id in self.live:
                bound = None if one.is_bound is None else int(one.is_bound)
                change = (
                    *(one.due_at, int(one.attempted), one.last_ip, _one_line(one.note)),
                    *(bound, one.starts_at),
                )
                self.postponed.setdefault(one.message_id, []).append(change)
            else:
                gone.add(one.message_id)
        if gone:
            events = [event for event in events if event.message_id not in gone]
        if events:
            self._record(JournalKind.EVENTS, 0, pack(list(events)))

    def postponements(self) -> Iterable[tuple[object, ...]]:
        """Return (id, due_at, attempts made, last_ip, note, bound, starts_at).

        Some may be settled by now.
        """
        for message_id, changes in self.postponed.items():
            last_ip = note = bound = start = None
            for _, _, ip_now, note_now, bound_now, start_now in changes:
                last_ip = last_ip if ip_now is None else ip_now
                note = note if note_now is None else note_now
                bound = bound if bound_now is None else bound_now
                start = start if start_now is None else start_now
            attempts = sum(1 for change in changes if change[1])
            yield message_id, changes[-1][0], attempts, last_ip, note, bound, start

    def unneeded(self) -> list[int]:
        """Return the contents that no message needs any more."""
        return [one for one, count in self.released.items() if self.held[one].refs == count]

    def still_needed(self) -> list[tuple[int, int]]:
        """Return those that fewer messages need, with their number."""
        left = [(one, self.held[one].refs - count) for one, count in self.released.items()]
        return [(one, refs) for one, refs in left if refs]

    def _add_content(self, batch: Batch) -> int:
        content_id = self.counters.content
        self.counters.content += 1
        in_file = len(batch.content) > INLINE_LIMIT
        (self.files if in_file else self.bodies).append((content_id, batch.content))
        self.contents.append(
            (
                content_id,
                batch.account_id,
                batch.transmission_id,
                batch.injected_at,
                batch.policy_version,
                len(batch.messages),
                int(in_file),
                batch.campaign_id,
                batch.starts_at or batch.injected_at,
            )
        )
        return content_id

    def _add_messages(self, batch: Batch, base_id: int, content_id: int) -> None:
        is_alone = len(batch.messages) == 1
        is_handed_over = len(batch.messages) <= HANDED_OVER
        batch_starts_at = batch.starts_at or batch.injected_at
        queue_of: dict[tuple[str, int], int] = {}
        for row in batch.messages:
            kind = (row.domain, row.tier)
            queue_id = queue_of.get(kind)
            if queue_id is None:
                queue_id = queue_of[kind] = self._queue_id(
                    QueueKey(batch.account_id, batch.pool_id, *kind)
                )
            message_id, due_at = base_id + row.index, row.due_at
            own_start = due_at if due_at > batch_starts_at else 0
            self.messages.append(
                (message_id, queue_id, due_at, content_id, row.recipient, row.bucket, own_start)
            )
            arrival = self.arrivals.get(queue_id)
            if arrival is None:
                arrival = self.arrivals[queue_id] = Arrival(queue_id, 0, due_at)
            arrival.count += 1
            arrival.earliest_due_at = min(arrival.earliest_due_at, due_at)
            if is_handed_over and due_at <= self.now:
                if len(batch.content) <= INLINE_LIMIT:
                    arrival.contents[content_id] = batch.content
                # Positional, since this runs once a message; the fields as after a first insert.
                arrival.rows.append(
                    SpooledMessage(
                        message_id,
                        queue_id,
                        due_at,
                        content_id,
                        0,
                        "",
                        "",
                        row.recipient,
                        batch.account_id,
                        batch.transmission_id,
                        batch.injected_at,
                        batch.policy_version,
                        own_start or batch_starts_at,
                        False,
                        is_alone,
                        row.bucket,
                    )
                )

    def _queue_id(self, key: QueueKey) -> int:
        queue_id = self.queue_ids.get(key) or self.new_queues.get(key)
        if queue_id is None:
            queue_id = self.new_queues[key] = self.counters.queue
            self.counters.queue += 1
        return queue_id

    def _record(self, kind: JournalKind, base_id: int, payload: bytes) -> None:
        self.journal.append((self.counters.journal, kind, base_id, payload))
        self.counters.journal += 1


def check(batch: Batch) -> None:
    """Raise BatchRefused unless every message has an id of the batch's own, in rising order."""
    indexes = [row.index for row in batch.messages]
    if batch.size < 1:
        raise BatchRefused(f"a batch has at least one recipient, got size {batch.size}")
    if indexes and not 0 <= indexes[0] <= indexes[-1] < batch.size:
        raise BatchRefused(f"message indexes must be 0 to {batch.size - 1}")
    if any(one >= other for one, other in pairwise(indexes)):
        raise BatchRefused("message indexes must rise")


def _one_line(note: str | None) -> str | None:
    if note is None:
        return None
    return "".join(char if char.isprintable() else " " for char in note[:NOTE_LIMIT])
