"""The balance: what was accepted is delivered, bounced, suppressed, expired, … or still waits.

Per account and hour of injection, exact at any moment, running or stopped. What the recorder has
stored is in the event store's tallies; what it has not is still in the shards' journals and is
folded in here; what waits is counted in the shards. A shard's journal and what waits in it are
read in one transaction, so that a message is never in both or in neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from merpati.events.digest import COLUMNS, HOUR_MS, Tallies, tallies_of
from merpati.events.store import reading, stored
from merpati.spool.files import SHARDS
from merpati.spool.reading import ShardSnapshot, snapshot
from merpati.spool.shapes import JournalRow

ATTEMPTS = 50  # the recorder steps a few times a second; a reading takes some milliseconds
RECORDS = 256  # read from a journal at a time


class BalanceUnsteady(Exception):
    """The recorder was faster than the reading each time; `message` says so."""

    def __init__(self, shard: int) -> None:
        self.message = f"shard {shard} changed during each of {ATTEMPTS} readings; try again"
        super().__init__(self.message)


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """One account and hour of injection. `difference` is 0, or mail is lost or counted twice."""

    account_id: int
    hour: int  # since the epoch, UTC
    accepted: int
    delivered: int
    bounced: int
    suppressed: int
    expired: int
    cancelled: int
    failed: int
    waiting: int

    @property
    def difference(self) -> int:
        """Messages accepted of which nothing is known; negative: more outcomes than messages."""
        settled = self.delivered + self.bounced + self.suppressed
        given_up = self.expired + self.cancelled + self.failed
        return self.accepted - settled - given_up - self.waiting

    @property
    def starts_at(self) -> datetime:
        """The beginning of the hour."""
        return datetime.fromtimestamp(self.hour * HOUR_MS // 1000, UTC)


Waiting = dict[tuple[int, int], int]
"""(account, hour) → messages in the spool."""


def balance(events_file: Path, spool: Path, account_id: int | None = None) -> list[BalanceRow]:
    """Return the balance of all accounts, or of one, by account and hour.

    Raises BalanceUnsteady, sqlite3.Error.
    """
    tallies: Tallies = {}
    waiting: Waiting = {}
    for shard in range(SHARDS):
        of_shard, waits = _read_shard(events_file, spool, shard)
        add_tallies(tallies, of_shard)
        for key, count in waits.items():
            waiting[key] = waiting.get(key, 0) + count
    rows = join(tallies, waiting)
    return [row for row in rows if account_id is None or row.account_id == account_id]


def join(tallies: Tallies, waiting: Waiting) -> list[BalanceRow]:
    """Return one row for each account and hour that either side knows, in order."""
    nothing = [0] * len(COLUMNS)
    return [
        BalanceRow(
            account_id=account_id,
            hour=hour,
            **dict(zip(COLUMNS, tallies.get((account_id, hour), nothing), strict=True)),
            waiting=waiting.get((account_id, hour), 0),
        )
        for account_id, hour in sorted(tallies.keys() | waiting.keys())
    ]


def add_tallies(to: Tallies, more: Tallies) -> None:
    """Add counts to counts."""
    for key, counts in more.items():
        sums = to.setdefault(key, [0] * len(COLUMNS))
        for column, count in enumerate(counts):
            sums[column] += count


def _read_shard(events_file: Path, spool: Path, number: int) -> tuple[Tallies, Waiting]:
    for _ in range(ATTEMPTS):
        # The store first: what it lacks must still be in the journal when that is read.
        with reading(events_file) as db:
            cursor, tallies = stored(db, number)
        with snapshot(spool, number) as shard:
            if shard is None:  # no mail ever, or its file is gone: the tallies will say
                return tallies, {}
            after = cursor.seq if cursor.nonce in {"", shard.nonce} else 0
            if shard.trimmed_seq <= after:
                add_tallies(tallies, tallies_of(_records(shard, after)))
                return tallies, shard.waiting()
    raise BalanceUnsteady(number)


def _records(shard: ShardSnapshot, after: int) -> Iterator[JournalRow]:
    while rows := shard.journal_after(after, RECORDS):
        yield from rows
        after = rows[-1].seq
