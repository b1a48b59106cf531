"""Reading a shard beside its worker, or while no worker runs: for the recorder and the commands.

Read-only, and each snapshot is one SQLite read transaction: what waits and what the journal tells
belong together. Snapshots are to be short, since the log behind an open one cannot be reused.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from merpati.spool.files import shard_path
from merpati.spool.schema import CANCELLATIONS, check_version
from merpati.spool.shapes import Cancellation, JournalRow, QueueDepth, QueueKey, WaitingGroup

HOUR_MS = 3_600_000
DUE_MS = 900_000  # what falls due within a quarter of an hour is told together
PAGE_BYTES = 8 << 20  # of journal payloads read at once: an injection record may hold a megabyte


class ShardSnapshot:
    """One moment of a shard; use it only inside the `with` that gave it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.nonce = str(db.execute("SELECT value FROM meta WHERE name = 'nonce'").fetchone()[0])

    @property
    def last_seq(self) -> int:
        """The journal's latest sequence number, 0 before the first; trimming does not change it."""
        return int(self._db.execute("SELECT journal - 1 FROM counter").fetchone()[0])

    @property
    def trimmed_seq(self) -> int:
        """The latest sequence number that was trimmed, 0 before the first."""
        (first,) = self._db.execute("SELECT min(seq) FROM journal").fetchone()
        return self.last_seq if first is None else int(first) - 1

    def journal_after(self, seq: int, limit: int) -> list[JournalRow]:
        """Return the next rows behind `seq`, at most `limit` and some 8 MB of them; [] at the end.

        Fewer rows than `limit` do not mean the end.
        """
        rows: list[JournalRow] = []
        size_bytes = 0
        found = self._db.execute(
            "SELECT seq, kind, base_id, payload FROM journal WHERE seq > ? ORDER BY seq LIMIT ?",
            (seq, limit),
        )
        for row in found:
            rows.append(JournalRow(*row))
            size_bytes += len(row[3])
            if size_bytes >= PAGE_BYTES:
                break
        return rows

    def waiting(self) -> dict[tuple[int, int], int]:
        """Return how many messages wait, by account and hour of injection since the epoch."""
        found = self._db.execute(
            "SELECT account_id, injected_at / ? AS hour, sum(refs) FROM content GROUP BY 1, 2",
            (HOUR_MS,),
        )
        return {(account_id, hour): count for account_id, hour, count in found}

    def waiting_among(self, first: int, end: int) -> int:
        """Return how many of the messages from `first` to below `end` wait."""
        (count,) = self._db.execute(
            "SELECT count(*) FROM message WHERE id >= ? AND id < ?", (first, end)
        ).fetchone()
        return int(count)

    def transmissions(self, account_id: int, campaign_id: str | None, limit: int) -> list[str]:
        """Return an account's (and campaign's) transmissions that wait, the newest first."""
        found = self._db.execute(
            "SELECT transmission_id FROM content WHERE account_id = ?1"
            " AND (?2 IS NULL OR campaign_id = ?2) ORDER BY id DESC LIMIT ?3",
            (account_id, campaign_id, limit),
        )
        return [transmission_id for (transmission_id,) in found]

    def waiting_of(self, account_id: int, divisions: Sequence[int]) -> list[WaitingGroup]:
        """Return what an account has waiting; every message of it is looked at.

        divisions: of the recipients' buckets, in order; those between two of them are one group.
        """
        bucket = "+".join(["0", *("(m.bucket >= ?)" for _ in divisions)])
        found = self._db.execute(
            f"SELECT q.pool_id, q.domain, q.tier, {bucket} AS division, m.is_bound,"  # noqa: S608
            f" m.attempts > 0 AS tried, m.due_at / {DUE_MS} AS due, c.campaign_id, count(*),"
            " max(m.id) FROM queue q CROSS JOIN message m ON m.queue_id = q.id"
            " CROSS JOIN content c ON c.id = m.content_id WHERE q.account_id = ?"
            " GROUP BY 1, 2, 3, 4, 5, 6, 7, 8",
            (*divisions, account_id),
        )
        return [
            WaitingGroup(
                pool_id,
                domain,
                tier,
                divisions[division - 1] if division else 0,
                bool(is_bound),
                bool(is_tried),
                due * DUE_MS,
                *what,
            )
            for pool_id, domain, tier, division, is_bound, is_tried, due, *what in found
        ]

    def recipients(self, message_ids: Sequence[int]) -> dict[int, bytes]:
        """Return messages' recipients, packed, by id."""
        found = self._db.execute(
            "SELECT id, recipient FROM message WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(message_ids)),),
        )
        return dict(found)

    def granted(self, day: int) -> dict[tuple[str, str], int]:
        """Return the attempts granted on a day, by sending IP and provider ("": in all)."""
        found = self._db.execute(
            "SELECT sending_ip, provider, granted FROM allowance WHERE day = ?", (day,)
        )
        return {(address, provider): granted for address, provider, granted in found}

    def cancellations(self) -> list[Cancellation]:
        """Return what is to be cancelled and not done."""
        return [Cancellation(*row) for row in self._db.execute(CANCELLATIONS)]

    def depths(self) -> list[QueueDepth]:
        """Return the queues that hold messages; their tiers are not told apart."""
        found = self._db.execute(
            # SQLite takes the note from the row that has the least due_at.
            "SELECT q.id, q.account_id, q.pool_id, q.domain, m.count, m.due_at, m.note,"
            " m.last_ip, m.is_bound FROM (SELECT queue_id, count(*) AS count,"
            " min(due_at) AS due_at, note, last_ip, is_bound FROM message GROUP BY queue_id) m"
            " JOIN queue q ON q.id = m.queue_id"
        )
        return [
            QueueDepth(queue_id, QueueKey(account, pool, domain), count, due, note, ip, bool(bound))
            for queue_id, account, pool, domain, count, due, note, ip, bound in found
        ]


class ShardReader:
    """Keeps a shard open for reading, for who looks often. Use it in one thread.

    A shard that does not exist yet, or that was replaced, is found at the next snapshot.
    """

    def __init__(self, directory: Path, number: int) -> None:
        self._path = shard_path(directory, number)
        self._db: sqlite3.Connection | None = None
        self._file = (0, 0)  # device and inode of what is open

    def close(self) -> None:
        """Close it; the next snapshot opens it again."""
        if self._db is not None:
            self._db.close()
            self._db = None

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[ShardSnapshot | None]:
        """Give one moment of the shard, None when it never held anything.

        Raises sqlite3.Error, OSError.
        """
        db = self._opened()
        if db is None:
            yield None
            return
        db.execute("BEGIN")
        try:
            yield ShardSnapshot(db) if check_version(db) else None
        finally:
            db.execute("ROLLBACK")

    def _opened(self) -> sqlite3.Connection | None:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            self.close()
            return None
        if self._db is None or self._file != (stat.st_dev, stat.st_ino):
            self.close()
            self._file = (stat.st_dev, stat.st_ino)
            self._db = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
            )
        return self._db


@contextlib.contextmanager
def snapshot(directory: Path, number: int) -> Iterator[ShardSnapshot | None]:
    """Give one moment of a shard, None when it never held anything.

    Raises sqlite3.Error, OSError.
    """
    reader = ShardReader(directory, number)
    try:
        with reader.snapshot() as shard:
            yield shard
    finally:
        reader.close()
