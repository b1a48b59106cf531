"""The hold: a file in the data folder that keeps all delivery still, across restarts.

A restored copy begins with one, so that it never sends what its original may have sent already.
Mail is still accepted meanwhile, and nothing expires. A hold that cannot be read holds.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from merpati.adapters.codec import DecodeError, json_bytes, json_reader

POLL_SECONDS = 0.2


class Hold(msgspec.Struct, frozen=True):
    """Why nothing is sent, since when (RFC 3339, UTC), and by whose will."""

    reason: str
    since: str
    by: str


_read = json_reader(Hold)


def read_hold(path: Path) -> Hold | None:
    """Return the hold in force, None when delivery may go on."""
    try:
        return _read.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, DecodeError) as error:
        return Hold(f"{path.name} cannot be read ({error})", "", "")


def set_hold(path: Path, reason: str, *, by: str, now: datetime) -> None:
    """Hold all delivery, durably; an earlier hold gives way. Raises OSError."""
    draft = path.with_suffix(".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(json_bytes(Hold(reason, now.isoformat(timespec="seconds"), by)))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _sync(path.parent)


def end_hold(path: Path) -> None:
    """Let delivery go on. Raises OSError."""
    path.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class HoldFollower:
    """Hands on why all is held, "" when it is not, whenever that changes."""

    def __init__(self, path: Path, use: Callable[[str], None]) -> None:
        self._path = path
        self._use = use
        self._seen: tuple[int, int] | None = None

    async def run(self) -> None:
        """Look again and again: one look at a name costs next to nothing."""
        while True:
            self.look()
            await asyncio.sleep(POLL_SECONDS)

    def look(self) -> None:
        """Hand on the reason if the file is another than last time, or came or went."""
        try:
            stat = self._path.stat()
            seen = (stat.st_ino, stat.st_mtime_ns)
        except FileNotFoundError:
            seen = (0, 0)
        if seen == self._seen:
            return
        self._seen = seen
        hold = read_hold(self._path)
        self._use(f"all delivery is held: {hold.reason}" if hold else "")
