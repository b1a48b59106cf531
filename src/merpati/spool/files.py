"""What lies in the spool's folder: the shards' names, their locks, and bodies too big for a row.

`NN.sqlite3` is shard NN, `NN.lock` is held by its only writer, `NN/ID` is the content ID of shard
NN when it is larger than INLINE_LIMIT.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Container
from pathlib import Path

from merpati.adapters.faults import fault
from merpati.spool.errors import ShardInUse

SHARDS = 16
INLINE_LIMIT = 256 << 10  # bytes; beyond it a file costs less than pages in the write-ahead log


def shard_path(directory: Path, number: int) -> Path:
    """Return where a shard's database is; it need not exist yet."""
    return directory / f"{number:02}.sqlite3"


def sync_directory(directory: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_directory(directory: Path) -> None:
    """Create a folder only we may read, durably, unless it exists. Raises OSError."""
    if not directory.is_dir():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_directory(directory.parent)


class ShardLock:
    """The right to write to a shard. The kernel gives it back when the holder dies.

    A file of its own, since closing any handle of a SQLite file drops SQLite's own locks on it.
    """

    def __init__(self, directory: Path, number: int) -> None:
        """Take the lock. Raises ShardInUse when somebody else holds it, OSError."""
        path = directory / f"{number:02}.lock"
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise ShardInUse(
                f"another process writes to shard {number:02} in {directory}; "
                "only one worker may own it"
            ) from None

    def release(self) -> None:
        """Give it back."""
        os.close(self._handle)


class BodyFiles:
    """The big contents of one shard. A file exists before the commit that names it."""

    def __init__(self, directory: Path, number: int) -> None:
        self._folder = directory / f"{number:02}"

    def write(self, content_id: int, body: bytes) -> None:
        """Write one body so that it survives a power cut. Raises OSError."""
        make_directory(self._folder)
        final = self._folder / str(content_id)
        draft = final.with_suffix(".new")
        with draft.open("wb") as file:
            file.write(body)
            file.flush()
            fault("spool.body.before_fsync")
            os.fsync(file.fileno())
        fault("spool.body.before_rename")
        draft.rename(final)
        sync_directory(self._folder)
        fault("spool.body.after_rename")

    def read(self, content_id: int) -> bytes:
        """Return one body. Raises OSError."""
        return (self._folder / str(content_id)).read_bytes()

    def remove(self, content_id: int) -> None:
        """Remove one body; what cannot be removed now is an orphan that `sweep` finds."""
        with contextlib.suppress(OSError):
            (self._folder / str(content_id)).unlink(missing_ok=True)

    def sweep(self, needed: Container[int]) -> None:
        """Remove what a crash left behind: drafts, and bodies whose commit never came."""
        if not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            if not path.name.isdigit() or int(path.name) not in needed:
                path.unlink(missing_ok=True)
