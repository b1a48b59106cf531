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
from merpati.events.store import NOTHING_STORED, EventStore
from merpati.spool.errors import SpoolError
from merpati.spool.files import SHARDS
from merpati.spool.reading import ShardReader, ShardSnapshot

log = logging.getLogger(__name__)

STEP_EVENTS = 20_000  # of one shard in one transaction, about: a record is never split
STEP_RECORDS = 2_000


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
        """Store what is new and have it trimmed; return how many events that were.

        Raises sqlite3.Error and OSError when the store or a shard fails: nothing of the step is
        stored then, and the next one tries the same again.
        """
        cursors = self._store.cursors()
        digests = []
        for number, reader in enumerate(self._readers):
            cursor = cursors.get(number, NOTHING_STORED)
            with reader.snapshot() as shard:
                if shard is None:
                    continue
                if cursor.nonce not in {"", shard.nonce}:
                    log.error("shard_replaced shard=%d: its old events give way", number)
                    cursor = NOTHING_STORED
                digest = Digest(number, cursor.seq)
                _take(digest, shard)
            if digest.last_seq > cursor.seq:
                digests.append((digest, shard.nonce))
        if digests:
            self._store.add(digests)
            self._to_trim |= {digest.shard: digest.last_seq for digest, _ in digests}
        self._trim()
        return sum(len(digest.events) for digest, _ in digests)

    def _trim(self) -> None:
        for shard, seq in list(self._to_trim.items()):
            try:
                self._trimmer.trim(shard, seq)
            except SpoolError as error:  # its worker is down or its disk sick: later, then
                log.debug("trim_waits shard=%d reason=%s", shard, error)
            else:
                del self._to_trim[shard]


def _take(digest: Digest, shard: ShardSnapshot) -> None:
    """Fill a digest, to its limits; a record nobody can read stays, and all behind it."""
    for record in shard.journal_after(digest.last_seq, STEP_RECORDS):
        try:
            digest.take(record)
        except DecodeError as error:
            log.error(  # noqa: TRY400 - its text says all there is
                "record_unreadable shard=%d seq=%d error=%s", digest.shard, record.seq, error
            )
            return
        if len(digest.events) >= STEP_EVENTS:
            return
