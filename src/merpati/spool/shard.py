"""One shard of the durable queue, as asyncio code sees it.

All work of a shard runs in one thread on one SQLite connection (`writer.py`). Whatever gathered
while the last commit ran becomes the next transaction, and its callers are answered after the
commit: a returned call is durable. Any disk or SQLite trouble refuses the whole group with
SpoolUnavailable, the connection is closed, and the shard comes back by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from merpati.adapters.clock import Clock
from merpati.contracts.batch import Accepted
from merpati.contracts.event import Event, JournalKind
from merpati.spool.errors import ContentUnreadable, SpoolError
from merpati.spool.files import ShardLock, make_directory, shard_path
from merpati.spool.operations import (
    Append,
    Cancel,
    EndCancel,
    KeepPace,
    KeepZoneRules,
    MakeDue,
    Record,
    Reserve,
    Settle,
    Trim,
)
from merpati.spool.shapes import (
    Arrival,
    Cancellation,
    Grant,
    LanePace,
    Postponed,
    QueueDepth,
    QueueKey,
    Scheduled,
    ShardStatus,
    SpooledMessage,
)
from merpati.spool.store import Store
from merpati.spool.writer import AnyWriter, Arrivals, Writer

OnDue = Callable[[Arrival], None]


class Shard:
    """The only writer of `directory/NN.sqlite3`. Make it and use it on one event loop.

    Nothing is opened or made before the first call that needs it; a second Shard on the same file
    gets ShardInUse. Every method raises SpoolUnavailable when the file cannot be read or written.

    on_due: set it before the first call. Called on the loop when a commit added messages to a
    queue, and for every queue that holds messages after the file had to be opened again (the count
    is then all of them).

    on_append: called on the loop as batches are handed to the writer; what is settled in it shares
    their commit.
    """

    def __init__(
        self,
        directory: Path,
        number: int,
        clock: Clock,
        *,
        reserve_bytes: int = 256 << 20,
        cache_bytes: int = 32 << 20,
        make_writer: type[AnyWriter] = Writer,
    ) -> None:
        """make_writer: does the work; a rehearsal has one without a thread."""
        self.number = number
        self.on_due: OnDue | None = None
        self.on_cancel: Callable[[], None] | None = None
        self.on_append: Callable[[], None] | None = None
        self._path = shard_path(directory, number)

        def take_lock() -> ShardLock:
            make_directory(directory)
            return ShardLock(directory, number)

        self._writer = make_writer(
            f"spool-{number:02}",
            clock,
            take_lock,
            lambda: Store(directory, number, clock, reserve_bytes, cache_bytes),
            self._announce,
        )

    async def append(self, batch: bytes) -> Accepted:
        """Store one batch (msgpack of contracts.batch.Batch) whole, with its journal record.

        Raises IdempotencyConflict, SpoolFull, BatchRefused.
        """
        (outcome,) = await self.append_all((batch,))
        if isinstance(outcome, SpoolError):
            raise outcome
        return outcome

    async def append_all(self, batches: Sequence[bytes]) -> list[Accepted | SpoolError]:
        """Store batches, each for itself; return what `append` would of each."""
        if not batches:
            return []
        if self.on_append is not None:
            self.on_append()
        outcomes: list[Accepted | SpoolError] = await self._writer.submit(Append(batches))
        return outcomes

    async def record(self, kind: JournalKind, payload: bytes) -> None:
        """Journal what came from outside and moves no message.

        Raises SpoolFull, BatchRefused for a kind that only comes with messages.
        """
        await self._writer.submit(Record(kind, payload))

    async def queues(self) -> dict[int, QueueDepth]:
        """Return the queues that hold messages, by id. Call it at start to learn what waits.

        A shard that was never used is not made by asking.
        """
        if self._writer.store is None and not self._path.exists():
            return {}
        found: dict[int, QueueDepth] = await self._writer.submit(Store.queues)
        return found

    def queue_key(self, queue_id: int) -> QueueKey:
        """Return what a queue id stands for; known as long as the queue holds messages.

        Raises KeyError for others, SpoolUnavailable before a call has opened the file.
        """
        return self._writer.known().keys[queue_id]

    async def due(
        self, queue_id: int, now: int, limit: int, after: tuple[int, int] | None = None
    ) -> list[SpooledMessage]:
        """Return messages due by `now`, by (due_at, message_id), those behind `after` only.

        The shard does not know what is in flight: the caller passes the last (due_at, message_id)
        it took as `after`, starts again from None when on_due tells of something earlier, and skips
        the ids it still holds.
        """
        found: list[SpooledMessage] = await self._writer.submit(
            lambda store: store.due(queue_id, now, limit, after)
        )
        return found

    async def next_due_at(self, queue_id: int, after: int) -> int | None:
        """Return the earliest due time later than `after` in a queue, None when there is none."""
        found: int | None = await self._writer.submit(
            lambda store: store.next_due_at(queue_id, after)
        )
        return found

    async def contents(
        self, content_ids: Sequence[int]
    ) -> dict[int, bytes | ContentUnreadable | None]:
        """Return batches' contents (msgpack of contracts.batch.Content).

        None for those that no message needs any more; ContentUnreadable for one that alone cannot
        be read just now. What would make the answer too large is left out: ask again.
        """
        found: dict[int, bytes | ContentUnreadable | None] = await self._writer.submit(
            lambda store: store.contents(content_ids)
        )
        return found

    def settle(
        self,
        settled: Sequence[int],
        postponed: Sequence[Postponed] = (),
        events: Sequence[Event] = (),
    ) -> Awaitable[None]:
        """Remove settled messages, put off others, and journal the events, in one transaction.

        It is handed to the writer at once; await what is returned to know that it is durable.

        events: become one journal row. Those of messages that are no longer in the spool are
        dropped with them, so a repeated settle makes no second outcome.
        """
        return self._writer.submit(Settle(settled, postponed, events))

    async def cancel(self, account_id: int, campaign_id: str, transmission_id: str = "") -> None:
        """Have all mail cancelled that a campaign of an account has in this shard now.

        transmission_id: that one's mail instead.

        Returns once that is durable; `on_cancel` tells who does it, also after a restart.
        """
        await self._writer.submit(Cancel(account_id, campaign_id, transmission_id))
        if self.on_cancel is not None:
            self.on_cancel()

    async def cancellations(self) -> list[Cancellation]:
        """Return what is to be cancelled and not done."""
        if self._writer.store is None and not self._path.exists():
            return []
        found: list[Cancellation] = await self._writer.submit(Store.cancellations)
        return found

    async def cancellable(
        self, wanted: Cancellation, after: int, limit: int
    ) -> tuple[int | None, list[SpooledMessage]]:
        """Look through `limit` messages behind an id; return the last id, and what is wanted.

        None when there was none to look at. What is returned may be on its way all the same.
        """
        found: tuple[int | None, list[SpooledMessage]] = await self._writer.submit(
            lambda store: store.cancellable(wanted, after, limit)
        )
        return found

    async def end_cancel(self, cancellation_id: int) -> None:
        """Forget a cancellation: none of its messages is left."""
        await self._writer.submit(EndCancel(cancellation_id))

    async def reserve(
        self, sending_ip: str, provider: str, day: int, block: int, limit: int
    ) -> Grant:
        """Return how many attempts of at most `block` this IP may make now on this day.

        provider: at whom; "" for the IP's limit in all, which is counted by itself.
        Counted durably before the answer: a crash wastes the block, and grants of one day never
        exceed `limit`. day: days since the epoch; it never goes back, an earlier one counts as the
        latest seen.
        """
        granted: Grant = await self._writer.submit(Reserve(sending_ip, provider, day, block, limit))
        return granted

    async def keep_pace(self, sending_ip: str, provider: str, state: bytes | None) -> None:
        """Remember what was learned about the pace of a lane; None forgets it."""
        await self._writer.submit(KeepPace(sending_ip, provider, state))

    async def paces(self) -> list[LanePace]:
        """Return what was kept about the pace of lanes."""
        if self._writer.store is None and not self._path.exists():
            return []
        found: list[LanePace] = await self._writer.submit(Store.paces)
        return found

    async def zone_rules(self) -> str:
        """Return by which edition of the time zones' rules mail is scheduled, "" if unknown."""
        if self._writer.store is None and not self._path.exists():
            return ""
        found: str = await self._writer.submit(Store.zone_rules)
        return found

    async def keep_zone_rules(self, edition: str) -> None:
        """Remember by which edition of the time zones' rules mail is scheduled."""
        await self._writer.submit(KeepZoneRules(edition))

    async def scheduled(
        self, after: int, now: int, limit: int
    ) -> tuple[int | None, list[Scheduled]]:
        """Look through `limit` messages behind an id; return the last id, and what is due later.

        None when there was none to look at. Only what was scheduled and never tried.
        """
        found: tuple[int | None, list[Scheduled]] = await self._writer.submit(
            lambda store: store.scheduled(after, now, limit)
        )
        return found

    async def make_due(self, queue_id: int, now: int, last_ip: str = "") -> int:
        """Have what a queue deferred tried again now, in small steps; return how many it was.

        Scheduled mail stays scheduled. last_ip: only what that IP tried last; "" for all.
        """
        count = 0
        while step := await self._writer.submit(MakeDue(queue_id, now, last_ip)):
            count += step
            if self.on_due is not None:
                # A moment before: who has read on to `now` must look back, since ids are mixed.
                self.on_due(Arrival(queue_id, step, now - 1))
        return count

    async def trim(self, seq: int) -> None:
        """Remove journal rows up to and including `seq`, in small steps."""
        while await self._writer.submit(Trim(seq)):
            pass

    def status(self) -> ShardStatus:
        """Return the shard's state from memory, in trouble as last known."""
        store = self._writer.latest
        if store is None:
            return ShardStatus(self.number, self._writer.trouble, 0, 0, 0, False)
        return ShardStatus(
            self.number,
            self._writer.trouble,
            store.waiting,
            sum(1 for count in list(store.counts.values()) if count),
            store.journal_rows,
            store.reserve.is_short,
            store.accepted,
        )

    async def look_at_disk(self) -> None:
        """Find out anew whether there is room for new mail; without mail nobody else looks.

        A shard that was never used is not made by asking.
        """
        if self._writer.latest is not None:
            await self._writer.submit(Store.look_at_disk)

    @property
    def nonce(self) -> str:
        """8 hex digits made with the file, for Message-IDs: unlike after a file is lost.

        Known once a call has opened the file; raises SpoolUnavailable before.
        """
        return self._writer.known().nonce

    async def close(self) -> None:
        """Finish what waits and close the file."""
        await self._writer.close()

    def _announce(self, arrivals: Arrivals) -> None:
        if self.on_due is not None:
            for arrival in arrivals:
                self.on_due(arrival)
