"""The recorder: carries events from the shards' journals into the event store, then trims them.

Reads the shard files itself, beside their worker; asks the worker to trim. A worker that is down
costs nothing but room: the journal stays until it is back. All of a step is stored in one
transaction with the cursors, so a kill at any moment neither loses an event nor stores one twice.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol, Self

from merpati.adapters.codec import DecodeError
from merpati.events.digest import Digest
from merpati.events.store import NOTHING_STORED, Cursor, EventStore
from merpati.spool.errors import SpoolError
from merpati.spool.files import SHARDS
from merpati.spool.reading import ShardReader, ShardSnapshot

log = logging.getLogger(__name__)

STEP_EVENTS = 20_000  # in one transaction, about: a record is never split
STEP_RECORDS = 2_000  # of one shard
STEP_FORGOTTEN = 200  # mails, so that no step waits long for them


class Trimmer(Protocol):
    """What the recorder asks of the workers; `spool.client.SpoolClient` is one."""

    def trim(self, shard: int, seq: int) -> None:
        """Remove a shard's journal records up to `seq`. Raises SpoolError."""


class Recorder:
    """The one writer of the event store. For one thread."""

    def __init__(self, events_file: Path, spool: Path, trimmer: Trimmer) -> None:
        """Open the store. Raises sqlite3.Error."""
        self._store = EventStore(events_file)
        self._readers = [ShardReader(spool, number) for number in range(SHARDS)]
        self._next_shard = 0  # each step begins where the one before ran out of room
        self._trimmer = trimmer
        # What a run before this one stored and may not have had trimmed.
        self._to_trim = {shard: cursor.seq for shard, cursor in self._store.cursors().items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self._readers:
            reader.close()
        self._store.close()

    def step(self) -> int:
        """Store what is new and have it trimmed; return how many things that were (Digest.size).

        Raises sqlite3.Error and OSError when the store or a shard fails: nothing of the step is
        stored then, and the next one tries the same again.
        """
        digests = self._digest_some()
        if digests:
            self._store.add(digests)
            self._to_trim |= {digest.shard: digest.last_seq for digest, _ in digests}
        self._trim()
        return sum(digest.size for digest, _ in digests)

    def forget_inbound(self, before: int) -> int:
        """Remove some of the mail that came in before a moment, in ms; return how many.

        Raises sqlite3.Error.
        """
        return self._store.forget_inbound(before, STEP_FORGOTTEN)

    def _digest_some(self) -> list[tuple[Digest, str]]:
        """Return what is new in the shards, up to a step's limit, with each shard file's nonce."""
        cursors = self._store.cursors()
        digests = []
        room = STEP_EVENTS
        for _ in range(SHARDS):
            number = self._next_shard
            with self._readers[number].snapshot() as shard:
                if shard is not None:
                    digest = _digest(number, shard, cursors.get(number, NOTHING_STORED), room)
                    if digest is not None:
                        digests.append((digest, shard.nonce))
                        room -= digest.size
            if room <= 0:
                break  # the next step goes on with this shard, and then with the others
            self._next_shard = (number + 1) % SHARDS
        return digests

    def _trim(self) -> None:
        for shard, seq in list(self._to_trim.items()):
            try:
                self._trimmer.trim(shard, seq)
            except SpoolError as error:  # its worker is down or its disk sick: later, then
                log.debug("trim_waits shard=%d reason=%s", shard, error)
            else:
                del self._to_trim[shard]


def _digest(number: int, shard: ShardSnapshot, cursor: Cursor, room: int) -> Digest | None:
    """Return the digest of the next records, for at least `room` events if there are as many.

    None when there is nothing new. A record nobody can read stays, and all behind it.
    """
    if cursor.nonce not in {"", shard.nonce}:
        log.error("shard_replaced shard=%d effect=its_old_events_give_way", number)
        cursor = NOTHING_STORED
    digest = Digest(number, cursor.seq)
    for record in shard.journal_after(cursor.seq, STEP_RECORDS):
        try:
            digest.take(record)
        except DecodeError as error:
            log.error(  # noqa: TRY400 - its text says all there is
                "record_unreadable shard=%d seq=%d error=%s", number, record.seq, error
            )
            break
        if digest.size >= room:
            break
    return digest if digest.last_seq > cursor.seq else None
