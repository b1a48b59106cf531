"""A shard's tables, and how its file is opened.

Ids and the journal's sequence come from `counter`, never from max(rowid): once settling has emptied
a table SQLite would hand the same numbers out again.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from pathlib import Path

import msgspec

from merpati.adapters.codec import DecodeError, unpacker

VERSION = 6
BUSY_TIMEOUT_MS = 5_000  # how long a foreign lock (an operator's sqlite3 shell) is waited for
CHECKPOINT_PAGES = 4_000  # 16 MB of log: fewer, larger checkpoints than SQLite's 1,000
HEAP_BYTES = 64 << 20  # for all shards of a process: caches then reuse pages before they are full


# In the order of `shapes.Cancellation`.
CANCELLATIONS = """
SELECT id, account_id, campaign_id, before_id, transmission_id FROM cancellation ORDER BY id
"""


class _Campaign(msgspec.Struct):
    """What layout 2 keeps of a packed `contracts.batch.Content`."""

    campaign_id: str | None = None


_read_campaign = unpacker(_Campaign).decode

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- One row: the next number of each kind.
CREATE TABLE counter (
  message INTEGER NOT NULL, content INTEGER NOT NULL,
  queue INTEGER NOT NULL, journal INTEGER NOT NULL
);

-- One per batch; refs is the number of its messages that wait. Kept apart from the body, so that
-- counting what waits reads small rows and a settle rewrites no body.
CREATE TABLE content (
  id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, transmission_id TEXT NOT NULL,
  injected_at INTEGER NOT NULL, policy_version INTEGER NOT NULL, refs INTEGER NOT NULL,
  in_file INTEGER NOT NULL,  -- 1: the body is the file NN/id
  campaign_id TEXT NOT NULL DEFAULT '',
  starts_at INTEGER NOT NULL DEFAULT 0  -- its messages' life counts from then
);
CREATE TABLE body (content_id INTEGER PRIMARY KEY, data BLOB NOT NULL);

CREATE TABLE queue (
  id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, pool_id INTEGER NOT NULL,
  domain TEXT NOT NULL, tier INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE message (
  id INTEGER PRIMARY KEY, queue_id INTEGER NOT NULL, due_at INTEGER NOT NULL,
  content_id INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  last_ip TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '', recipient BLOB NOT NULL,
  is_bound INTEGER NOT NULL DEFAULT 0,  -- 1: what the last attempt came to blames us
  bucket INTEGER NOT NULL DEFAULT 0,
  starts_at INTEGER NOT NULL DEFAULT 0  -- later than its content's: its life counts from then
);
CREATE INDEX message_due ON message (queue_id, due_at);

CREATE TABLE journal (
  seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, base_id INTEGER NOT NULL, payload BLOB NOT NULL
);

-- What is to be cancelled: mail of a transmission, or where none is named of a campaign, with ids
-- below before_id. Gone once it is done.
CREATE TABLE cancellation (
  id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, campaign_id TEXT NOT NULL,
  before_id INTEGER NOT NULL, transmission_id TEXT NOT NULL DEFAULT ''
);

CREATE TABLE idempotency (
  id INTEGER PRIMARY KEY,  -- grows with time, so that purging needs no index of its own
  key TEXT NOT NULL, account_id INTEGER NOT NULL, fingerprint BLOB NOT NULL,
  base_id INTEGER NOT NULL, reply BLOB NOT NULL, created_at INTEGER NOT NULL,
  UNIQUE (key, account_id)
);

-- Attempts granted to a sending IP at a provider ('': in all) on the latest day it was used.
CREATE TABLE allowance (
  sending_ip TEXT NOT NULL, provider TEXT NOT NULL, day INTEGER NOT NULL, granted INTEGER NOT NULL,
  PRIMARY KEY (sending_ip, provider)
) WITHOUT ROWID;

-- What replies taught about the pace of a sending IP at a provider, while it is not the configured.
CREATE TABLE pace (
  sending_ip TEXT NOT NULL, provider TEXT NOT NULL, state BLOB NOT NULL,
  PRIMARY KEY (sending_ip, provider)
) WITHOUT ROWID;
"""


def connect(path: Path, cache_bytes: int) -> sqlite3.Connection:
    """Open a shard for writing, with its tables; transactions are begun by hand.

    Raises sqlite3.Error.
    """
    db = sqlite3.connect(
        path,
        isolation_level=None,
        timeout=BUSY_TIMEOUT_MS / 1000,
        check_same_thread=False,  # closed by whoever stops the writer thread
        cached_statements=256,
    )
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        # Debian's SQLite overwrites each page it frees: then a body is written to the log once more
        # when its mail has left. FAST does so only in pages that are written anyway.
        db.execute("PRAGMA secure_delete = FAST")
        db.execute(f"PRAGMA cache_size = -{cache_bytes >> 10}")
        db.execute(f"PRAGMA soft_heap_limit = {HEAP_BYTES}")
        db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        db.execute(f"PRAGMA journal_size_limit = {4 * CHECKPOINT_PAGES * 4096}")
        db.execute("PRAGMA temp_store = MEMORY")
        _create(db, path)
    except BaseException:
        db.close()
        raise
    return db


def check_version(db: sqlite3.Connection) -> bool:
    """Return False for a file without tables. Raises sqlite3.DatabaseError if it is too new."""
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found > VERSION:
        raise sqlite3.DatabaseError(
            f"the shard has layout {found}, this program knows up to {VERSION}; use a newer one"
        )
    return bool(found)


def _create(db: sqlite3.Connection, path: Path) -> None:
    if check_version(db):
        _upgrade(db, path)
        return
    db.execute("BEGIN IMMEDIATE")
    for statement in TABLES.split(";\n"):
        db.execute(statement)
    db.execute("INSERT INTO counter VALUES (1, 1, 1, 1)")
    db.execute("INSERT INTO meta VALUES ('nonce', ?)", (secrets.token_hex(4),))
    db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")


def _upgrade(db: sqlite3.Connection, path: Path) -> None:
    """Bring a file of an older layout to this one, whole or not at all."""
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found == VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    for layout in range(found + 1, VERSION + 1):
        _UPGRADES[layout](db, path)
    db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")


def _to_2(db: sqlite3.Connection, path: Path) -> None:
    """Campaigns can be cancelled."""
    db.execute("ALTER TABLE content ADD COLUMN campaign_id TEXT NOT NULL DEFAULT ''")
    db.execute(
        "CREATE TABLE cancellation (id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL,"
        " campaign_id TEXT NOT NULL, before_id INTEGER NOT NULL)"
    )
    contents = db.execute(
        "SELECT id, data FROM content LEFT JOIN body ON body.content_id = content.id"
    )
    for content_id, data in contents.fetchall():
        body = data or (path.with_suffix("") / str(content_id)).read_bytes()
        with contextlib.suppress(DecodeError):  # the engine fails such a message, with a reason
            campaign = _read_campaign(body).campaign_id or ""
            db.execute("UPDATE content SET campaign_id = ? WHERE id = ?", (campaign, content_id))


def _to_3(db: sqlite3.Connection, _path: Path) -> None:
    """Learned paces are kept, and messages may be bound to the IP that tried them."""
    db.execute("ALTER TABLE message ADD COLUMN is_bound INTEGER NOT NULL DEFAULT 0")
    db.execute(_statement("CREATE TABLE pace"))


def _to_4(db: sqlite3.Connection, _path: Path) -> None:
    """Life counts from the scheduled moment; transmissions can be cancelled.

    What was never tried was scheduled for when it is due, or put off a little, which does no harm.
    """
    db.execute("ALTER TABLE content ADD COLUMN starts_at INTEGER NOT NULL DEFAULT 0")
    db.execute("UPDATE content SET starts_at = injected_at")
    db.execute(
        "UPDATE content SET starts_at = max(injected_at, first.due_at) FROM (SELECT content_id,"
        " max(due_at) AS due_at FROM message WHERE attempts = 0 GROUP BY content_id) first"
        " WHERE first.content_id = content.id"
    )
    db.execute("ALTER TABLE cancellation ADD COLUMN transmission_id TEXT NOT NULL DEFAULT ''")


def _to_5(db: sqlite3.Connection, _path: Path) -> None:
    """Allowances are counted by provider too; mail has a tier and a bucket.

    What waits already counts as of recipients of whom nothing is known and who moved first.
    """
    db.execute("ALTER TABLE queue ADD COLUMN tier INTEGER NOT NULL DEFAULT 0")
    db.execute("ALTER TABLE message ADD COLUMN bucket INTEGER NOT NULL DEFAULT 0")
    db.execute("ALTER TABLE allowance RENAME TO allowance_4")
    db.execute(_statement("CREATE TABLE allowance"))
    db.execute("INSERT INTO allowance SELECT sending_ip, '', day, granted FROM allowance_4")
    db.execute("DROP TABLE allowance_4")


def _to_6(db: sqlite3.Connection, _path: Path) -> None:
    """Messages of one batch may each be scheduled for a moment of their own."""
    db.execute("ALTER TABLE message ADD COLUMN starts_at INTEGER NOT NULL DEFAULT 0")


def _statement(beginning: str) -> str:
    return next(one for one in TABLES.split(";\n") if beginning in one)


_UPGRADES = {2: _to_2, 3: _to_3, 4: _to_4, 5: _to_5, 6: _to_6}
