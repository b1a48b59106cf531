"""One open shard: its file, what is counted of it in memory, and the one way to change it.

Used by one thread. Whatever raises sqlite3.Error or OSError leaves nothing changed on disk; the
store is then to be closed and opened again, since after a failed sync only the file knows.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from merpati.adapters import faults
from merpati.adapters.clock import Clock
from merpati.adapters.codec import DecodeError, json_text, unpacker
from merpati.adapters.faults import fault
from merpati.contracts.batch import Accepted, Batch
from merpati.spool.disk_reserve import DiskReserve
from merpati.spool.draft import Counters, Draft, Live, Needed, UsedKey
from merpati.spool.errors import BatchRefused, ContentUnreadable, SpoolError, SpoolFull
from merpati.spool.files import BodyFiles, make_directory, shard_path, sync_directory
from merpati.spool.operations import (
    Answer,
    Append,
    Cancel,
    Committed,
    EndCancel,
    KeepPace,
    KeepZoneRules,
    MakeDue,
    Operation,
    Record,
    Reserve,
    Settle,
    Sweep,
    Trim,
)
from merpati.spool.schema import CANCELLATIONS, connect
from merpati.spool.shapes import (
    Cancellation,
    LanePace,
    QueueDepth,
    QueueKey,
    Scheduled,
    SpooledMessage,
)
from merpati.spool.statements import ask, delete
from merpati.spool.writing import (
    keep_pace,
    make_due,
    purge_keys,
    reserve,
    trim,
    write_draft,
)

CONTENTS_BYTES = 4 << 20  # of one answer, but for its last content
KEY_LIFE_MS = 24 * 3_600_000  # an idempotency key is kept this long

_unpack_batch = unpacker(Batch).decode

# In the order of SpooledMessage's fields. Two ranges, so that both are found by the index even
# among a million with the same due time; "+" and CROSS keep the planner from better ideas.
_DUE = """
SELECT json_group_array(json_array(m.id, m.queue_id, m.due_at, m.content_id, m.attempts, m.last_ip,
  m.note, hex(m.recipient), c.account_id, c.transmission_id, c.injected_at, c.policy_version,
  max(c.starts_at, m.starts_at), m.is_bound, c.refs = 1, m.bucket))
FROM (
  SELECT * FROM (
    SELECT * FROM message WHERE queue_id = :queue AND due_at = :after_due AND id > :after_id
    AND +due_at <= :now ORDER BY id LIMIT :limit)
  UNION ALL SELECT * FROM (
    SELECT * FROM message WHERE queue_id = :queue AND due_at > :after_due
    AND due_at <= :now ORDER BY due_at, id LIMIT :limit)
  LIMIT :limit
) m CROSS JOIN content c ON c.id = m.content_id
"""
# A step through the shard's messages in the order of their ids; answers how far it went, too.
_CANCELLABLE = """
WITH step AS (
  SELECT * FROM message WHERE id > :after AND id < :before ORDER BY id LIMIT :limit)
SELECT json_array((SELECT max(id) FROM step), (SELECT json_group_array(json_array(m.id, m.queue_id,
  m.due_at, m.content_id, m.attempts, m.last_ip, m.note, hex(m.recipient), c.account_id,
  c.transmission_id, c.injected_at, c.policy_version, max(c.starts_at, m.starts_at), m.is_bound,
  c.refs = 1, m.bucket))
FROM step m CROSS JOIN content c ON c.id = m.content_id
WHERE c.account_id = :account AND iif(:transmission = '', c.campaign_id = :campaign,
  c.transmission_id = :transmission)))
"""
_SCHEDULED = """
WITH step AS (
  SELECT * FROM message WHERE id > :after ORDER BY id LIMIT :limit)
SELECT json_array((SELECT max(id) FROM step), (SELECT json_group_array(json_array(m.id, m.queue_id,
  m.due_at, c.starts_at, hex(m.recipient)))
FROM step m CROSS JOIN content c ON c.id = m.content_id
WHERE m.due_at > :now AND m.attempts = 0 AND m.note = '' AND c.starts_at > c.injected_at))
"""
_RECIPIENT = 7  # the field that comes as hexadecimal digits


class Store:
    """An open shard. Memory grows with the number of queues, never with their depth.

    reserve, nonce, keys (by queue id), counts (messages by queue id), waiting (their sum) and
    journal_rows may be looked at by other threads.
    """

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

    @property
    def accepted(self) -> int:
        """How many messages the shard took since its file was made."""
        return self._counters.message - 1

    def look_at_disk(self) -> None:
        """Have `reserve` say whether there is room now."""
        self.reserve.check(self._db, 0)

    def queues(self) -> dict[int, QueueDepth]:
        """Return the queues that hold messages."""
        found = ask(
            self._db,
            "SELECT json_group_array(json((SELECT json_array(queue_id, due_at, note, last_ip,"
            " is_bound) FROM message WHERE queue_id = queue.id ORDER BY due_at LIMIT 1)))"
            " FROM queue",
        )
        return {
            one: QueueDepth(one, self.keys[one], self.counts[one], due, note, ip, bool(bound))
            for one, due, note, ip, bound in filter(None, found)
        }

    def due(
        self, queue_id: int, now: int, limit: int, after: tuple[int, int] | None
    ) -> list[SpooledMessage]:
        """Return messages due by `now` behind `after`, by (due_at, id)."""
        due_at, message_id = after or (-(1 << 62), 0)
        rows = ask(
            self._db,
            _DUE,
            {
                "queue": queue_id,
                "now": now,
                "limit": limit,
                "after_due": due_at,
                "after_id": message_id,
            },
        )
        for row in rows:
            row[_RECIPIENT] = bytes.fromhex(row[_RECIPIENT])
        return [SpooledMessage(*row) for row in rows]

    def next_due_at(self, queue_id: int, after: int) -> int | None:
        """Return the earliest due time later than `after`."""
        (found,) = self._db.execute(
            "SELECT min(due_at) FROM message WHERE queue_id = ? AND due_at > ?", (queue_id, after)
        ).fetchone()
        return None if found is None else int(found)

    def contents(self, content_ids: Sequence[int]) -> dict[int, bytes | ContentUnreadable | None]:
        """Return batches' contents; None for those that are gone.

        What would make the answer larger than some megabytes is left out: ask again.
        """
        rows = self._db.execute(
            "SELECT id, (SELECT data FROM body WHERE content_id = id) FROM content"
            " WHERE id IN (SELECT value FROM json_each(?))",
            (json_text(content_ids),),
        ).fetchall()
        found: dict[int, bytes | ContentUnreadable | None] = dict.fromkeys(content_ids)
        size = 0
        for content_id, data in rows:
            if size > CONTENTS_BYTES:
                del found[content_id]
                continue
            # A body that is not in the shard's file is a file beside it.
            body = self._from_file(content_id) if data is None else bytes(data)
            found[content_id] = body
            size += len(body) if isinstance(body, bytes) else 0
        return found

    def _from_file(self, content_id: int) -> bytes | ContentUnreadable:
        try:
            return self._files.read(content_id)
        except OSError as error:
            # Without the path: this is shown to the mail's sender.
            words = error.strerror or type(error).__name__
            return ContentUnreadable(f"content {content_id} is unreadable: {words}")

    def paces(self) -> list[LanePace]:
        """Return what was learned about the pace of lanes."""
        rows = self._db.execute("SELECT sending_ip, provider, state FROM pace")
        return [LanePace(*row) for row in rows.fetchall()]

    def cancellations(self) -> list[Cancellation]:
        """Return what is to be cancelled and not done."""
        return [Cancellation(*row) for row in self._db.execute(CANCELLATIONS).fetchall()]

    def cancellable(
        self, wanted: Cancellation, after: int, limit: int
    ) -> tuple[int | None, list[SpooledMessage]]:
        """Look through `limit` messages behind an id; return the last id, and what is wanted.

        None: there was none to look at.
        """
        last, rows = ask(
            self._db,
            _CANCELLABLE,
            {
                "account": wanted.account_id,
                "campaign": wanted.campaign_id,
                "transmission": wanted.transmission_id,
                "after": after,
                "before": wanted.before_id,
                "limit": limit,
            },
        )
        for row in rows:
            row[_RECIPIENT] = bytes.fromhex(row[_RECIPIENT])
        return last, [SpooledMessage(*row) for row in rows]

    def zone_rules(self) -> str:
        """Return by which edition of the time zones' rules mail is scheduled, "" if unknown."""
        row = self._db.execute("SELECT value FROM meta WHERE name = 'zone_rules'").fetchone()
        return "" if row is None else str(row[0])

    def scheduled(self, after: int, now: int, limit: int) -> tuple[int | None, list[Scheduled]]:
        """Look through `limit` messages behind an id; return the last id, and what is due later.

        None: there was none to look at. Only what was scheduled and never tried.
        """
        last, rows = ask(self._db, _SCHEDULED, {"after": after, "now": now, "limit": limit})
        return last, [
            Scheduled(message_id, queue_id, due_at, not_before, bytes.fromhex(recipient))
            for message_id, queue_id, due_at, not_before, recipient in rows
        ]

    # What is written.

    def commit(self, operations: Sequence[Operation]) -> Committed:
        """Do all operations in one transaction and return once it is durable.

        A refusal of one (SpoolError) is its answer and touches no other. Raises sqlite3.Error and
        OSError when nothing of the group was done; any other exception means the same, and that one
        operation is defective.
        """
        appended = [_read(one) for one in operations]
        draft: Draft | None = None
        is_committing = False
        self._db.execute("BEGIN IMMEDIATE")
        try:
            draft = self._draft(operations, [batch for some in appended for batch in some])
            answers = [
                self._answer(draft, one, batches)
                for one, batches in zip(operations, appended, strict=True)
            ]
            for content_id, body in draft.files:
                self._files.write(content_id, body)
            dropped = write_draft(self._db, draft)
            _pass_faults(operations, "before_commit")
            fault("spool.commit")
            is_committing = True
            self._db.execute("COMMIT")
        except BaseException:
            self._undo(draft, is_committing)
            raise
        self._merge(draft)
        if any(isinstance(one, Trim) for one in operations):
            self._journal_from = self._first_seq()
        for content_id in dropped:
            self._files.remove(content_id)
        _pass_faults(operations, "after_commit")
        return Committed(answers, list(draft.arrivals.values()))

    def forget_empty_queues(self) -> None:
        """Drop from memory what a committed Sweep dropped from disk."""
        for queue_id in self._empty_queues():
            del self.counts[queue_id]
            del self._ids[self.keys.pop(queue_id)]

    def _draft(self, operations: Sequence[Operation], batches: Sequence[object]) -> Draft:
        keyed = [b for b in batches if isinstance(b, Batch) and b.idempotency_key is not None]
        settles = [one for one in operations if isinstance(one, Settle)]
        draft = Draft(self._counters, self._ids, self._clock.now())
        if keyed:
            draft.used_keys = self._find_keys(keyed)
        if settles:
            draft.live, draft.held = self._find_live(settles)
        return draft

    def _answer(
        self, draft: Draft, operation: Operation, batches: Sequence[Batch | BatchRefused]
    ) -> Answer | SpoolError:
        if isinstance(operation, Append):
            return [self._append(draft, batch) for batch in batches]
        try:
            return self._apply(draft, operation)
        except SpoolError as refusal:
            return refusal

    def _apply(self, draft: Draft, operation: Operation) -> Answer:
        match operation:
            case Record(kind, payload):
                self._check_room(len(payload))
                draft.record(kind, payload)
            case Settle(settled, postponed, events):
                draft.settle(settled, postponed, events)
            case Cancel(account_id, campaign_id, transmission_id):
                self._db.execute(
                    "INSERT INTO cancellation (account_id, campaign_id, before_id, transmission_id)"
                    " VALUES (?, ?, ?, ?)",
                    (account_id, campaign_id, draft.counters.message, transmission_id),
                )
            case EndCancel(cancellation_id):
                self._db.execute("DELETE FROM cancellation WHERE id = ?", (cancellation_id,))
            case Reserve():
                return reserve(self._db, operation)
            case KeepPace():
                keep_pace(self._db, operation)
            case KeepZoneRules(edition):
                self._db.execute("INSERT OR REPLACE INTO meta VALUES ('zone_rules', ?)", (edition,))
            case MakeDue():
                return make_due(self._db, operation)
            case Trim(seq):
                return trim(self._db, seq)
            case Sweep():
                delete(self._db, "queue WHERE id", self._empty_queues())
                return purge_keys(self._db, self._clock.now() - KEY_LIFE_MS)
        return None

    def _append(self, draft: Draft, batch: Batch | BatchRefused) -> Accepted | SpoolError:
        if isinstance(batch, BatchRefused):
            return batch
        try:
            if (former := draft.repeated(batch)) is not None:
                return former
            self._check_room(len(batch.content) + len(batch.injection))
            return draft.append(batch)
        except SpoolError as refusal:
            return refusal

    def _check_room(self, size_bytes: int) -> None:
        """Raise SpoolFull when the disk is below its reserve."""
        self.reserve.check(self._db, size_bytes)
        if self.reserve.is_short:
            raise SpoolFull("the disk is below its reserve")

    def _find_keys(self, batches: Iterable[Batch]) -> dict[tuple[int, str], UsedKey]:
        rows = self._db.execute(
            "SELECT account_id, key, fingerprint, base_id, reply FROM idempotency"
            " WHERE key IN (SELECT value FROM json_each(?)) AND created_at >= ?",
            (
                json_text([batch.idempotency_key for batch in batches]),
                self._clock.now() - KEY_LIFE_MS,
            ),
        ).fetchall()
        return {(row[0], row[1]): UsedKey(*row[2:]) for row in rows}

    def _find_live(self, settles: Iterable[Settle]) -> tuple[dict[int, Live], dict[int, Needed]]:
        """Return where the messages belong that are still there, and their contents."""
        ids: set[int] = set()
        for one in settles:
            ids.update(one.settled)
            ids.update(postponed.message_id for postponed in one.postponed)
        found = ask(
            self._db,
            "SELECT json_group_array(json_array(m.id, m.queue_id, c.id, c.refs, c.in_file))"
            " FROM json_each(?) j CROSS JOIN message m ON m.id = j.value"
            " CROSS JOIN content c ON c.id = m.content_id",
            (json_text(sorted(ids)),),
        )
        live = {one[0]: Live(one[1], one[2]) for one in found}
        return live, {one[2]: Needed(one[3], bool(one[4])) for one in found}

    def _undo(self, draft: Draft | None, is_committing: bool) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        if is_committing:
            self._overwrite()
            return  # the next open knows which bodies are needed, and removes the others
        for content_id, _ in draft.files if draft else ():
            self._files.remove(content_id)

    def _overwrite(self) -> None:
        """Write a harmless change where the failed commit stands in the log.

        When only the sync failed, the commit is whole in the log, and who opens the file next would
        find it valid: refused mail would be sent. The next commit takes its place; whether that
        one's own sync fails does not matter. (SQLite writes nothing for a change of nothing.)
        """
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("UPDATE counter SET content = content + 1")
            self._db.execute("COMMIT")

    # What is counted in memory.

    def _load(self) -> None:
        """Read the counters; count the queues (one pass over an index, however deep they are)."""
        db = self._db
        self.nonce = str(db.execute("SELECT value FROM meta WHERE name = 'nonce'").fetchone()[0])
        self._counters = Counters(
            *db.execute("SELECT message, content, queue, journal FROM counter").fetchone()
        )
        self._journal_from = self._first_seq()
        queues = ask(
            db,
            "SELECT json_group_array(json_array(id, account_id, pool_id, domain, tier)) FROM queue",
        )
        counts = ask(
            db,
            "SELECT json_group_array(json_array(queue_id, n)) FROM"
            " (SELECT queue_id, count(*) AS n FROM message GROUP BY queue_id)",
        )
        self.keys = {queue_id: QueueKey(*key) for queue_id, *key in queues}
        self._ids = {key: queue_id for queue_id, key in self.keys.items()}
        self.counts: dict[int, int] = dict.fromkeys(self.keys, 0) | dict(counts)
        self.waiting = sum(self.counts.values())
        in_files = ask(db, "SELECT json_group_array(id) FROM content WHERE in_file = 1")
        self._files.sweep(frozenset(in_files))

    def _merge(self, draft: Draft) -> None:
        """Take over what has become durable."""
        self._counters = draft.counters
        for key, queue_id in draft.new_queues.items():
            self._ids[key], self.keys[queue_id], self.counts[queue_id] = queue_id, key, 0
        for queue_id, arrival in draft.arrivals.items():
            self.counts[queue_id] += arrival.count
            self.waiting += arrival.count
        for queue_id, count in draft.departures.items():
            self.counts[queue_id] -= count
            self.waiting -= count

    def _empty_queues(self) -> list[int]:
        return [queue_id for queue_id, count in self.counts.items() if not count]

    def _first_seq(self) -> int:
        (seq,) = self._db.execute("SELECT min(seq) FROM journal").fetchone()
        return self._counters.journal if seq is None else int(seq)


def _read(operation: Operation) -> list[Batch | BatchRefused]:
    """Return the batches that an operation brings."""
    return [_read_batch(one) for one in operation.batches] if isinstance(operation, Append) else []


def _read_batch(data: bytes) -> Batch | BatchRefused:
    try:
        return _unpack_batch(data)
    except DecodeError as error:
        return BatchRefused(f"not a batch: {error}")


def _pass_faults(operations: Sequence[Operation], moment: str) -> None:
    if not faults.ENABLED:
        return
    for kind, name in ((Append, "append"), (Record, "record"), (Settle, "settle")):
        if any(isinstance(one, kind) for one in operations):
            fault(f"spool.{name}.{moment}")
