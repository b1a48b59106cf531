"""Files kept by what is in them: each once, under its SHA-256, durable before it has its name.

A file is never changed, so it may be copied at any moment (a backup does). One that nobody names,
since what was to name it was given up, only takes room. Its time is that of the last `put`: so
nobody forgets what somebody else is just about to name.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path

FOLDER = "files"  # below the data folder
_DIGEST = re.compile(r"[0-9a-f]{64}")


class FileStore:
    """The files below one folder; any thread and any process may use it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """Keep a file and return its digest, by which it is read. Raises OSError."""
        digest = hashlib.sha256(data).hexdigest()
        path = self.path(digest)
        try:
            os.utime(path)
        except FileNotFoundError:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(path, data)
        return digest

    def read(self, digest: str) -> bytes:
        """Return a file. Raises OSError."""
        return self.path(digest).read_bytes()

    def forget(self, digest: str, put_before: float) -> bool:
        """Remove a file unless somebody put it since, in seconds of the epoch. Raises OSError.

        Moved aside first: who puts it at that very moment either finds no file and writes it anew,
        or touches the one that was moved, which then comes back.
        """
        path = self.path(digest)
        aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        try:
            if path.stat().st_mtime >= put_before:
                return False
            path.rename(aside)
        except FileNotFoundError:
            return False
        if aside.stat().st_mtime >= put_before:
            aside.rename(path)
            return False
        aside.unlink()
        return True

    def path(self, digest: str) -> Path:
        """Return where a file is. Raises ValueError when it is no digest."""
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"{digest[:80]!r} names no file")
        return self._folder / digest[:2] / digest


def write_durably(path: Path, data: bytes) -> None:
    """Write a file that has its name only once it is whole and on disk. Raises OSError."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
