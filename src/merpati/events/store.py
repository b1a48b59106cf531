"""The event store, `events.sqlite3`: what happened, kept. The recorder alone writes it.

Each shard's cursor (the last journal record stored) changes in the transaction that stores the
record's rows: after a crash the recorder goes on exactly where the store ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from merpati.adapters.faults import fault
from merpati.events import provider_days
from merpati.events.digest import COLUMNS, Digest, Tallies

LAYOUT = 4
BUSY_TIMEOUT_SECONDS = 10.0
CACHE_KIB = 16_384

# Since layout 2. What came in for return paths of ours, unread; data: packed InboundMail.
INBOUND = """
CREATE TABLE inbound (
  id INTEGER PRIMARY KEY, account INTEGER NOT NULL, message INTEGER NOT NULL,
  received_at INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE INDEX inbound_received ON inbound (received_at)
"""

TABLES = f"""
-- How far each shard's journal is stored. nonce: the shard file's own; another file starts anew.
CREATE TABLE cursor (shard INTEGER PRIMARY KEY, seq INTEGER NOT NULL, nonce TEXT NOT NULL);

-- One per accepted batch; id is that of its first injection event.
CREATE TABLE injection (
  id INTEGER PRIMARY KEY, account INTEGER NOT NULL, transmission TEXT NOT NULL,
  first_message INTEGER NOT NULL, messages INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE INDEX injection_transmission ON injection (transmission);

-- own: packed [metadata, tags] of the recipient, NULL when both are empty.
CREATE TABLE message (
  id INTEGER PRIMARY KEY, injection INTEGER NOT NULL, rcpt_to TEXT NOT NULL, own BLOB
);
CREATE INDEX message_recipient ON message (rcpt_to COLLATE NOCASE);

-- data: packed Event as the engine wrote it; NULL for an injection, which is its batch's.
CREATE TABLE event (
  id INTEGER PRIMARY KEY, message INTEGER NOT NULL, at INTEGER NOT NULL, type TEXT NOT NULL,
  data BLOB
);
CREATE INDEX event_message ON event (message);

-- The balance: per account and hour of injection (hours since the epoch).
CREATE TABLE tally (
  shard INTEGER NOT NULL, account INTEGER NOT NULL, hour INTEGER NOT NULL,
  {", ".join(f"{name} INTEGER NOT NULL" for name in COLUMNS)},
  PRIMARY KEY (shard, account, hour)
) WITHOUT ROWID;
{INBOUND};
{provider_days.TABLE}"""

# What a store of each older layout lacks, and how it is read until the recorder has added that.
_ADDED = {
    1: f"{INBOUND};\n{provider_days.TABLE}",
    2: provider_days.TABLE,
    3: provider_days.UPGRADE_OF_LAYOUT_3,
}
_READ_AS = {
    **{layout: _ADDED[layout].replace("CREATE TABLE", "CREATE TEMP TABLE") for layout in (1, 2)},
    3: provider_days.READ_OF_LAYOUT_3,
}

_ADD_TALLY = f"""
INSERT INTO tally VALUES ({", ".join("?" * (3 + len(COLUMNS)))})
ON CONFLICT (shard, account, hour) DO UPDATE SET
{", ".join(f"{name} = {name} + excluded.{name}" for name in COLUMNS)}
"""  # noqa: S608 - our own column names


class Cursor(NamedTuple):
    """How far a shard's journal is stored: the last record's number, and which file it was."""

    seq: int
    nonce: str


NOTHING_STORED = Cursor(0, "")


class EventStore:
    """The store opened for writing, by the one recorder. Raises sqlite3.Error throughout."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            # FULL: what the journal loses after we say "stored" is gone from everywhere else.
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            self._create()
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what `add` returned from is in it."""
        self._db.close()

    def cursors(self) -> dict[int, Cursor]:
        """Return each known shard's cursor."""
        return cursors(self._db)

    def add(self, digests: Iterable[tuple[Digest, str]]) -> None:
        """Store digests, each with its shard file's nonce, and move the cursors: all or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for digest, nonce in digests:
                self._add(digest, nonce)
            fault("events.store.before_commit")
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        fault("events.store.after_commit")

    def forget_inbound(self, before: int, most: int) -> int:
        """Remove mail that came in before a moment, in ms, the oldest `most`; return how many."""
        return self._db.execute(
            "DELETE FROM inbound WHERE id IN"
            " (SELECT id FROM inbound WHERE received_at < ? ORDER BY received_at LIMIT ?)",
            (before, most),
        ).rowcount

    def _add(self, digest: Digest, nonce: str) -> None:
        # REPLACE: a shard file that was lost counts anew; its old events give way.
        many = self._db.executemany
        many("INSERT OR REPLACE INTO injection VALUES (?, ?, ?, ?, ?, ?)", digest.injections)
        many("INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?)", digest.messages)
        many("INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?)", digest.events)
        many("INSERT OR REPLACE INTO inbound VALUES (?, ?, ?, ?, ?)", digest.inbound)
        many(
            _ADD_TALLY,
            [
                (digest.shard, account, hour, *counts)
                for (account, hour), counts in digest.tallies.items()
            ],
        )
        provider_days.add(self._db, digest.provider_days)
        self._db.execute(
            "INSERT OR REPLACE INTO cursor VALUES (?, ?, ?)",
            (digest.shard, digest.last_seq, nonce),
        )

    def _create(self) -> None:
        (layout,) = self._db.execute("PRAGMA user_version").fetchone()
        if layout == LAYOUT:
            return
        if layout > LAYOUT:
            raise sqlite3.DatabaseError(
                f"the event store has layout {layout}, this program knows up to {LAYOUT}"
            )
        self._db.execute("BEGIN IMMEDIATE")
        for statement in (_ADDED[layout] if layout else TABLES).split(";\n"):
            self._db.execute(statement)
        self._db.execute(f"PRAGMA user_version = {LAYOUT}")
        self._db.execute("COMMIT")


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the store read-only, in one read transaction: all queries see the same moment.

    A store that is not there yet reads as an empty one.
    """
    with closing(_open_to_read(path)) as db:
        db.execute("BEGIN")
        yield db


def _open_to_read(path: Path) -> sqlite3.Connection:
    if path.exists():
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
        )
        (layout,) = db.execute("PRAGMA user_version").fetchone()
        if layout:
            if layout < LAYOUT:
                db.executescript(_READ_AS[layout])
            return db
        db.close()  # its tables are not committed yet
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.executescript(TABLES)
    return db


def stored(db: sqlite3.Connection, shard: int) -> tuple[Cursor, Tallies]:
    """Return how far a shard is stored, and its tallies up to there."""
    columns = ", ".join(COLUMNS)
    tallies: Tallies = {
        (account, hour): counts
        for account, hour, *counts in db.execute(
            f"SELECT account, hour, {columns} FROM tally WHERE shard = ?",  # noqa: S608
            (shard,),
        )
    }
    return cursors(db).get(shard, NOTHING_STORED), tallies


def cursors(db: sqlite3.Connection) -> dict[int, Cursor]:
    """Return each known shard's cursor."""
    rows = db.execute("SELECT shard, seq, nonce FROM cursor")
    return {shard: Cursor(seq, nonce) for shard, seq, nonce in rows}
