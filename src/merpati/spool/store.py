"""One open shard: its file, what is counted of it in memory, and the one way to change it.

Used by one thread. Whatever raises sqlite3.Error or OSError leaves nothing changed on disk; the
store is then to be closed and opened again, since after a failed sync only the file knows.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merpati.adapters.clock import Clock
from merpati.adapters.codec import DecodeError, json_reader, unpacker
from merpati.adapters.faults import fault
from merpati.contracts.batch import Accepted, Batch
from merpati.contracts.event import Event
from merpati.spool.draft import Counters, Draft, Live, UsedKey
from merpati.spool.errors import BatchRefused, SpoolError, SpoolFull
from merpati.spool.files import (
    BodyFiles,
    make_directory,
    shard_path,
    sync_directory,
)
from merpati.spool.schema import connect
from merpati.spool.shapes import Postponed, QueueDepth, QueueKey, SpooledMessage

KEY_LIFE_MS = 24 * 3_600_000  # an idempotency key is kept this long
STEP_ROWS = 200  # journal rows or keys removed in one commit
RECHECK_BYTES = 1 << 20  # taken in since the disk's room was last looked at
STEP_BYTES = 4 << 20  # of journal payloads
INSERT_ROWS = 1024  # in one statement, at most

_batch = unpacker(Batch)
_due_rows = json_reader(list[list[Any]])

# Two ranges, so that both are found by the index even among a million with the same due time.
_DUE = """
SELECT json_group_array(json_array(m.id, m.queue_id, m.due_at, m.content_id, m.attempts, m.last_ip,
  m.note, hex(m.recipient), c.account_id, c.transmission_id, c.injected_at, c.policy_version))
FROM (
  SELECT * FROM (
    SELECT * FROM message WHERE queue_id = :queue AND due_at = :after_due AND id > :after_id
    AND +due_at <= :now ORDER BY id LIMIT :limit)
  UNION ALL SELECT * FROM (
    SELECT * FROM message WHERE queue_id = :queue AND due_at > :after_due
    AND due_at <= :now ORDER BY due_at, id LIMIT :limit)
  LIMIT :limit
) m CROSS JOIN content c ON c.id = m.content_id
"""  # "+" and CROSS keep the planner from better ideas


@dataclass(frozen=True, slots=True)
class Append:
    """Answer: Accepted."""

    batch: bytes


@dataclass(frozen=True, slots=True)
class Settle:
    """Answer: None."""

    settled: Sequence[int]
    postponed: Sequence[Postponed]
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Reserve:
    """Answer: int, the attempts granted."""

    sending_ip: str
    day: int
    block: int
    limit: int


@dataclass(frozen=True, slots=True)
class Trim:
    """Answer: bool, whether more is left to trim."""

    seq: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """Housekeeping: old keys, empty queues. Answer: bool, whether more is left."""


Operation = Append | Settle | Reserve | Trim | Sweep
Answer = Accepted | int | bool | None


@dataclass(frozen=True, slots=True)
class Committed:
    """Answers in the order of the operations, and what came into which queue."""

    answers: list[Answer | SpoolError]
    arrivals: list[tuple[int, int, int]]  # queue id, count, earliest due_at


class DiskReserve:
    """Whether the disk still has room for new mail; looked at each second and each megabyte."""

    def __init__(self, directory: Path, reserve_bytes: int, clock: Clock) -> None:
        self._directory = directory
        self._reserve_bytes = reserve_bytes
        self._clock = clock
        self._asked_at = float("-inf")
        self._taken_bytes = 0  # since then
        self.is_short = False  # as last found

    def check(self, db: sqlite3.Connection, size_bytes: int) -> None:
        """Look again before `size_bytes` more are taken in, if it is time to. Raises OSError.

        Free pages inside the file count as room: it does not shrink when mail leaves it, so without
        them a disk filled by a backlog would stay full. A quarter must be truly free, for the log
        and for settling.
        """
        self._taken_bytes += size_bytes
        if self._taken_bytes < RECHECK_BYTES and self._clock.elapsed() - self._asked_at < 1.0:
            return
        disk = os.statvfs(self._directory)
        free = disk.f_bavail * disk.f_frsize
        (pages,) = db.execute("PRAGMA freelist_count").fetchone()
        (page_size,) = db.execute("PRAGMA page_size").fetchone()
        self._asked_at, self._taken_bytes = self._clock.elapsed(), 0
        self.is_short = (
            free + pages * page_size < self._reserve_bytes or free < self._reserve_bytes // 4
        )


class Store:
    """An open shard. Memory grows with the number of queues, never with their depth."""

    def __init__(
        self, directory: Path, number: int, clock: Clock, reserve_bytes: int, cache_bytes: int
    ) -> None:
        """Open the file, or make it. Raises sqlite3.Error, OSError. The caller holds the lock."""
        make_directory(directory)
        path = shard_path(directory, number)
        is_new = not path.exists()
        self._clock = clock
        self._db = connect(path, cache_bytes)
        try:
            if is_new:
                sync_directory(directory)
            self.reserve = DiskReserve(directory, reserve_bytes, clock)
            self._files = BodyFiles(directory, number)
            self._load()
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file; everything committed is in it."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()

    # What is read. Between commits, by the same thread: it sees exactly what is durable, holds no
    # snapshot that would keep the log from being checkpointed, shares the page cache, and stands
    # still when writing fails, as delivery must then.

    @property
    def journal_rows(self) -> int:
        """How many journal rows are not yet trimmed."""
        return self._counters.journal - self._journal_from

    def queues(self) -> dict[int, QueueDepth]:
        """Return the queues that hold messages."""
        find = "SELECT min(due_at) FROM message WHERE queue_id = ?"
        return {
            queue_id: QueueDepth(
                queue_id,
                self.keys[queue_id],
                count,
                self._db.execute(find, (queue_id,)).fetchone()[0],
            )
            for queue_id, count in self.counts.items()
            if count
        }

    def due(
        self, queue_id: int, now: int, limit: int, after: tuple[int, int] | None
    ) -> list[SpooledMessage]:
        """Return messages due by `now` behind `after`, by (due_at, id).

        As one JSON text, so as one step (see `connect`): row by row, 500 messages took 635 ms
        beside one busy thread; this way 6.
        """
        due_at, message_id = after or (-(1 << 62), 0)
        (found,) = self._db.execute(
            _DUE,
            {
                "queue": queue_id,
                "now": now,
                "limit": limit,
                "after_due": due_at,
                "after_id": message_id,
            },
        ).fetchone()
        rows = _due_rows.decode(found)
        for row in rows:
            row[7] = bytes.fromhex(row[7])
        return [SpooledMessage(*row) for row in rows]

    def next_due_at(self, queue_id: int, after: int) -> int | None:
        """Return the earliest due time later than `after`."""
        found = self._db.execute(
            "SELECT min(due_at) FROM message WHERE queue_id = ? AND due_at > ?", (queue_id, after)
        ).fetchone()[0]
        return None if found is None else int(found)

    def content(self, content_id: int) -> bytes:
        """Return a batch's content. Raises KeyError, OSError."""
        row = self._db.execute(
            "SELECT in_file, (SELECT data FROM body WHERE content_id = id) FROM content"
            " WHERE id = ?",
            (content_id,),
        ).fetchone()
        if row is None:
            raise KeyError(content_id)
        return self._files.read(content_id) if row[0] else bytes(row[1])

    # What is written.

    def commit(self, operations: Sequence[Operation]) -> Committed:
        """Do all operations in one transaction and return once it is durable.

        A refusal of one (SpoolError) is its answer and touches no other. Raises sqlite3.Error and
        OSError when nothing of the group was done; any other exception means the same, and that one
        operation is defective.
        """
        batches = [_read(one) for one in operations]
        draft: Draft | None = None
        self._db.execute("BEGIN IMMEDIATE")
        try:
            draft = self._draft(operations, batches)
            answers = [
                self._apply(draft, one, batch)
                for one, batch in zip(operations, batches, strict=True)
            ]
            dropped = self._write(draft)
            self._pass_faults(operations, "before_commit")
            fault("spool.commit")
            self._db.execute("COMMIT")
        except BaseException:
            self._undo(draft)
            raise
        self._merge(draft)
        if any(isinstance(one, Trim) for one in operations):
            self._journal_from = self._first_seq()
        for content_id in dropped:
            self._files.remove(content_id)
        self._pass_faults(operations, "after_commit")
        arrivals = [(q, one.count, one.earliest_due_at) for q, one in draft.arrivals.items()]
        return Committed(answers, arrivals)

    def _draft(self, operations: Sequence[Operation], batches: Sequence[object]) -> Draft:
        wanted = [b for b in batches if isinstance(b, Batch) and b.idempotency_key is not None]
        settled = [one for one in operations if isinstance(one, Settle)]
        return Draft(
            self._counters,
            self.ids,
            self._clock.now(),
            used_keys=self._find_keys(wanted) if wanted else {},
            live=self._find_live(settled) if settled else {},
        )

    def _apply(
        self, draft: Draft, operation: Operation, batch: Batch | BatchRefused | None
    ) -> Answer | SpoolError:
        match operation:
            case Append():
                try:
                    return self._append(draft, batch)
                except SpoolError as refusal:
                    return refusal
            case Settle(settled, postponed, events):
                draft.settle(settled, postponed, events)
                return None
            case Reserve():
                return self._reserve(operation)
            case Trim(seq):
                return self._trim(seq)
            case Sweep():
                return self._sweep()

    def _append(self, draft: Draft, batch: Batch | BatchRefused | None) -> Accepted:
        if not isinstance(batch, Batch):
            raise batch or BatchRefused("no batch")
        if (former := draft.repeated(batch)) is not None:
            return former
        self.reserve.check(self._db, len(batch.content) + len(batch.injection))
        if self.reserve.is_short:
            raise SpoolFull("the disk is below its reserve")
        return draft.append(batch)

    def _write(self, draft: Draft) -> list[int]:
        """Write a draft; return the contents whose files nobody needs after the commit."""
        for content_id, body in draft.files:
            self._files.write(content_id, body)
        if draft.contents:
            fault("spool.append.before_insert")
        insert = self._insert
        queues = [(queue_id, *_fields(key)) for key, queue_id in draft.new_queues.items()]
        insert("queue (id, account_id, pool_id, domain)", queues)
        insert(
            "content (id, account_id, transmission_id, injected_at, policy_version, refs, in_file)",
            draft.contents,
        )
        insert("body (content_id, data)", draft.bodies)
        insert("message (id, queue_id, due_at, content_id, recipient)", draft.messages)
        insert("journal (seq, kind, base_id, payload)", draft.journal)
        insert(
            "idempotency (key, account_id, fingerprint, base_id, reply, created_at)",
            draft.keys,
            verb="INSERT OR REPLACE",  # of a key older than its life that was not yet purged
        )
        dropped = self._remove(draft)
        self._postpone(draft)
        if draft.counters != self._counters:
            new = draft.counters
            self._db.execute(
                "UPDATE counter SET message = ?, content = ?, queue = ?, journal = ?",
                (new.message, new.content, new.queue, new.journal),
            )
        return dropped

    def _remove(self, draft: Draft) -> list[int]:
        if not draft.settled:
            return []
        self._delete("message WHERE id", draft.settled)
        released = json.dumps(list(draft.released.items()))
        self._db.execute(
            "UPDATE content SET refs = refs - json_extract(j.value, '$[1]') FROM json_each(?) j"
            " WHERE content.id = json_extract(j.value, '$[0]')",
            (released,),
        )
        found = self._db.execute(
            "SELECT json_group_array(json_array(id, in_file)) FROM content WHERE refs = 0"
            " AND id IN (SELECT json_extract(j.value, '$[0]') FROM json_each(?) j)",
            (released,),
        ).fetchone()[0]
        unneeded = json.loads(found)
        if unneeded:
            ids = [content_id for content_id, _ in unneeded]
            self._delete("content WHERE id", ids)
            self._delete("body WHERE content_id", ids)
        return [content_id for content_id, in_file in unneeded if in_file]

    def _postpone(self, draft: Draft) -> None:
        if changes := list(draft.postponements()):
            self._db.execute(
                "UPDATE message SET due_at = json_extract(j.value, '$[1]'),"
                " attempts = attempts + json_extract(j.value, '$[2]'),"
                " last_ip = coalesce(json_extract(j.value, '$[3]'), last_ip),"
                " note = coalesce(json_extract(j.value, '$[4]'), note)"
                " FROM json_each(?) j WHERE message.id = json_extract(j.value, '$[0]')",
                (json.dumps(changes),),
            )

    def _reserve(self, wanted: Reserve) -> int:
        row = self._db.execute(
            "SELECT day, granted FROM allowance WHERE sending_ip = ?", (wanted.sending_ip,)
        ).fetchone()
        day, granted = row or (wanted.day, 0)
        if wanted.day > day:  # a clock that steps back gets no second allowance
            day, granted = wanted.day, 0
        grant = max(0, min(wanted.block, wanted.limit - granted))
        if grant:
            self._db.execute(
                "INSERT OR REPLACE INTO allowance VALUES (?, ?, ?)",
                (wanted.sending_ip, day, granted + grant),
            )
        return grant

    def _trim(self, seq: int) -> bool:
        (sizes,) = self._db.execute(
            "SELECT json_group_array(json_array(seq, length(payload))) FROM"
            " (SELECT seq, payload FROM journal WHERE seq <= ? ORDER BY seq LIMIT ?)",
            (seq, STEP_ROWS),
        ).fetchone()
        last, size_bytes = 0, 0
        for row_seq, row_bytes in json.loads(sizes):
            if last and size_bytes + row_bytes > STEP_BYTES:
                break
            last, size_bytes = row_seq, size_bytes + row_bytes
        self._db.execute("DELETE FROM journal WHERE seq <= ?", (last,))
        fault("spool.trim.before_commit")
        return self._first_seq() <= min(seq, self._counters.journal - 1)

    def _sweep(self) -> bool:
        limit = self._clock.now() - KEY_LIFE_MS
        purged = self._db.execute(
            "DELETE FROM idempotency WHERE created_at < ? AND id IN"
            " (SELECT id FROM idempotency ORDER BY id LIMIT ?)",
            (limit, STEP_ROWS),
        ).rowcount
        self._delete("queue WHERE id", self._empty_queues())
        return purged == STEP_ROWS

    # Details.

    def _load(self) -> None:
        """Read the counters; count the queues (one pass over an index, no matter how deep)."""
        db = self._db
        self.nonce = str(db.execute("SELECT value FROM meta WHERE name = 'nonce'").fetchone()[0])
        self._counters = Counters(*db.execute("SELECT * FROM counter").fetchone())
        self._journal_from = self._first_seq()
        self.keys: dict[int, QueueKey] = {
            row[0]: QueueKey(*row[1:])
            for row in db.execute("SELECT id, account_id, pool_id, domain FROM queue")
        }
        self.ids: dict[QueueKey, int] = {key: queue_id for queue_id, key in self.keys.items()}
        self.counts: dict[int, int] = dict.fromkeys(self.keys, 0)
        self.counts.update(db.execute("SELECT queue_id, count(*) FROM message GROUP BY queue_id"))
        self.waiting = sum(self.counts.values())
        in_files = db.execute("SELECT id FROM content WHERE in_file = 1")
        self._files.sweep({content_id for (content_id,) in in_files})

    def _merge(self, draft: Draft) -> None:
        """Take over what has become durable."""
        self._counters = draft.counters
        for key, queue_id in draft.new_queues.items():
            self.ids[key], self.keys[queue_id], self.counts[queue_id] = queue_id, key, 0
        for queue_id, arrival in draft.arrivals.items():
            self.counts[queue_id] += arrival.count
            self.waiting += arrival.count
        for queue_id, count in draft.departures.items():
            self.counts[queue_id] -= count
            self.waiting -= count

    def forget_empty_queues(self) -> None:
        """Drop from memory what a committed Sweep dropped from disk."""
        for queue_id in self._empty_queues():
            del self.counts[queue_id]
            del self.ids[self.keys.pop(queue_id)]

    def _empty_queues(self) -> list[int]:
        return [queue_id for queue_id, count in self.counts.items() if not count]

    def _undo(self, draft: Draft | None) -> None:
        for content_id, _ in draft.files if draft else ():
            self._files.remove(content_id)
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _find_keys(self, batches: Iterable[Batch]) -> dict[tuple[int, str], UsedKey]:
        rows = self._db.execute(
            "SELECT account_id, key, fingerprint, base_id, reply FROM idempotency"
            " WHERE key IN (SELECT value FROM json_each(?)) AND created_at >= ?",
            (
                json.dumps([batch.idempotency_key for batch in batches]),
                self._clock.now() - KEY_LIFE_MS,
            ),
        ).fetchall()
        return {(row[0], row[1]): UsedKey(*row[2:]) for row in rows}

    def _find_live(self, settles: Iterable[Settle]) -> dict[int, Live]:
        ids: set[int] = set()
        for one in settles:
            ids.update(one.settled)
            ids.update(postponed.message_id for postponed in one.postponed)
        (found,) = self._db.execute(
            "SELECT json_group_array(json_array(id, queue_id, content_id)) FROM message"
            " WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(sorted(ids)),),
        ).fetchone()
        return {row[0]: Live(row[1], row[2]) for row in json.loads(found)}

    def _first_seq(self) -> int:
        (seq,) = self._db.execute("SELECT min(seq) FROM journal").fetchone()
        return self._counters.journal if seq is None else int(seq)

    def _insert(self, into: str, rows: Sequence[tuple[object, ...]], verb: str = "INSERT") -> None:
        """Insert many rows a statement: see `connect` for what each statement may cost.

        In powers of two, so that few statements are prepared.
        """
        start, size = 0, INSERT_ROWS
        while start < len(rows):
            while start + size > len(rows):
                size //= 2
            some = rows[start : start + size]
            marks = "(" + ",".join("?" * len(some[0])) + ")"
            self._db.execute(
                f"{verb} INTO {into} VALUES " + ",".join([marks] * size),
                [value for row in some for value in row],
            )
            start += size

    def _delete(self, where: str, ids: Sequence[int]) -> None:
        if ids:
            self._db.execute(
                f"DELETE FROM {where} IN (SELECT value FROM json_each(?))",  # noqa: S608
                (json.dumps(ids),),
            )

    @staticmethod
    def _pass_faults(operations: Sequence[Operation], moment: str) -> None:
        for kind, name in ((Append, "append"), (Settle, "settle")):
            if any(isinstance(one, kind) for one in operations):
                fault(f"spool.{name}.{moment}")


def _read(operation: Operation) -> Batch | BatchRefused | None:
    if not isinstance(operation, Append):
        return None
    try:
        return _batch.decode(operation.batch)
    except DecodeError as error:
        return BatchRefused(f"not a batch: {error}")


def _fields(key: QueueKey) -> tuple[int, int, str]:
    return key.account_id, key.pool_id, key.domain
