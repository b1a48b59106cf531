"""Copies that are whole on disk: files, and databases that are being written to meanwhile."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

PAGES = 2_000  # 8 MB between looks at who waits
SLEEP_SECONDS = 0.01
BUSY_SECONDS = 20.0


def pinned(source: Path) -> sqlite3.Connection:
    """Open a database read-only at one moment, which lasts until it is closed.

    Its log cannot be reused meanwhile, so it grows; nobody waits. Raises sqlite3.Error.
    """
    db = sqlite3.connect(
        f"{source.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        timeout=BUSY_SECONDS,
    )
    try:
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # only reading pins it
    except BaseException:
        db.close()
        raise
    return db


def copy_pinned(
    db: sqlite3.Connection, target: Path, progress: Callable[[int], None] = lambda percent: None
) -> None:
    """Copy a pinned database, durably, into one file without a log. Raises sqlite3.Error, OSError.

    progress: told the percentage done.
    """

    def told(_: int, left: int, total: int) -> None:
        progress(100 * (total - left) // max(total, 1))

    with closing(sqlite3.connect(target, isolation_level=None)) as copy:
        db.backup(copy, pages=PAGES, progress=told, sleep=SLEEP_SECONDS)
    settle(target)


def settle(target: Path) -> None:
    """Make a database that nobody has open one durable file, without a log; for our own eyes.

    Raises sqlite3.Error, OSError.
    """
    with closing(sqlite3.connect(target, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = DELETE").fetchone()
    target.chmod(0o600)
    sync(target)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file, durably, for our own eyes. Raises OSError."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o600)
    sync(target)


def sync(path: Path) -> None:
    """Make a file or a folder durable. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folders(folder: Path) -> None:
    """Make the names below a folder durable. Raises OSError."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            sync(path)


def is_free(target: Path) -> bool:
    """Return whether there is nothing at a place, or an empty folder."""
    return not target.exists() or (target.is_dir() and not any(target.iterdir()))
