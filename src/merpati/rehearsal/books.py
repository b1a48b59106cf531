"""What was sent and how it was taken, counted from the spool's journal as the recorder does.

`events/provider_days.py` says what an answer means; `plans/warmup/history.py` makes of the counts
what the controller reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path

from merpati.adapters.codec import unpacker
from merpati.contracts.event import Event, JournalKind, LaneRest, Settlement
from merpati.events.provider_days import (
    COLUMNS,
    DAY_MS,
    ProviderDay,
    ProviderDays,
    column_of,
    count,
    count_rest,
    day_of,
    number_of,
    old_way,
)
from merpati.plans.migration.deciding import Sent, sent_of
from merpati.plans.warmup.history import day_of as today_of
from merpati.plans.warmup.history import days_of, ending_before
from merpati.rehearsal.scenario import Stream
from merpati.reputation.history import Day
from merpati.spool.reading import ShardReader
from merpati.spool.shard import Shard

_PAGE = 2_000  # journal records
_COMPLAINTS, _OPENS = COLUMNS.index("complaints"), COLUMNS.index("human_opens")
_HARD = COLUMNS.index("hard_bounced")
_OFFERED, _ATTEMPTED, _DELIVERED = map(COLUMNS.index, ("offered", "attempted", "delivered"))

_read_events = unpacker(list[Event])
_read_rest = unpacker(LaneRest)


class Books:
    """Counts of one part. provider: its id as the engine names it; first_allowance: a new IP's."""

    def __init__(self, spool: Path, shard: Shard, provider: str, first_allowance: int) -> None:
        self.unknown_users: set[str] = set()  # as the bounce rule suppresses them
        self.ended: Counter[tuple[str, int]] = Counter()  # messages, by pool and day
        self._reader = ShardReader(spool, shard.number)
        self._shard = shard
        self._provider = provider
        self._first_allowance = first_allowance
        self._seq = 0
        self._untrimmed = 0  # records that were read
        self._counts: ProviderDays = {}
        self.levels: dict[str, dict[date, int]] = {}  # by sending IP: what was allowed

    async def read(self) -> None:
        """Count what is new in the journal."""
        while self._shard.status().journal_rows > self._untrimmed:
            with self._reader.snapshot() as snapshot:
                rows = snapshot.journal_after(self._seq, _PAGE) if snapshot is not None else []
            if not rows:
                return
            for row in rows:
                if row.kind == JournalKind.EVENTS:
                    for event in _read_events.decode(row.payload):
                        self._count(event)
                elif row.kind == JournalKind.REST:
                    count_rest(self._counts, _read_rest.decode(row.payload))
            self._seq = rows[-1].seq
            self._untrimmed += len(rows)

    async def trim(self) -> None:
        """Have the journal forget what is counted."""
        if self._untrimmed:
            await self._shard.trim(self._seq)
            self._untrimmed = 0

    def _count(self, event: Event) -> None:
        if event.settlement is not None:
            self.ended[event.ip_pool, event.at // DAY_MS] += 1
        way = old_way(event.account_id, event.ip_pool) if event.egress else event.sending_ip
        if not (way and event.code):
            return
        column = column_of(
            event.type, event.settlement, event.code, event.bounce_class, event.cause
        )
        key = way, event.at // DAY_MS, event.provider
        count(self._counts, key, column, is_first=not event.attempts, rests=event.rests)
        if column == _HARD and event.settlement is Settlement.BOUNCED:
            self.unknown_users.add(event.rcpt_to)

    def complaint(self, sending_ip: str, now: int) -> None:
        """Count a report of a feedback loop."""
        self._of(sending_ip, now)[_COMPLAINTS] += 1

    def opened(self, sending_ip: str, now: int) -> None:
        """Count a mail that a person opened."""
        self._of(sending_ip, now)[_OPENS] += 1

    def went_old(self, stream: Stream, now: int, messages: int) -> None:
        """Count mail as taken by the old provider, that nobody sent."""
        counts = self._of(stream.old_way, now)
        for column in (_OFFERED, _ATTEMPTED, _DELIVERED):
            counts[column] += messages
        self.ended[stream.demand.pool.name, now // DAY_MS] += messages

    def _of(self, way: str, now: int) -> list[int]:
        key = way, now // DAY_MS, self._provider
        return self._counts.setdefault(key, [0] * len(COLUMNS))

    def row(self, sending_ip: str, day: date) -> ProviderDay:
        """Return an IP's counts of a day, or those of `old_way`."""
        key = sending_ip, number_of(day), self._provider
        counts = self._counts.get(key, [0] * len(COLUMNS))
        return ProviderDay(sending_ip, day, self._provider, *counts)

    def history(self, sending_ip: str, today: date) -> list[Day]:
        """Return the days before today, as the controller reads them."""
        levels: Mapping[date, int] = self.levels.get(sending_ip, {})
        rows = self._rows((sending_ip,))
        return ending_before(today, days_of(rows, levels, self._first_allowance))

    def sent(self, stream: Stream) -> dict[date, Sent]:
        """Return what a stream sent from here and by the old provider, by day."""
        return sent_of(self._rows(stream.ips), self._rows((stream.old_way,)))

    def _rows(self, ways: Collection[str]) -> list[ProviderDay]:
        return [
            ProviderDay(way, day_of(number), provider, *counts)
            for (way, number, provider), counts in self._counts.items()
            if way in ways and provider == self._provider
        ]

    def today(self, sending_ip: str, today: date, allowance: int) -> Day:
        """Return today's counts so far, as the controller reads them."""
        return today_of(self.row(sending_ip, today), allowance)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
