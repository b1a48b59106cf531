"""The room on disk that new mail may not take, so that accepted mail can still be settled."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from merpati.adapters.clock import Clock

RECHECK_BYTES = 1 << 20  # taken in since the disk was last looked at
RECHECK_SECONDS = 1.0


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
        now = self._clock.elapsed()
        if self._taken_bytes < RECHECK_BYTES and now - self._asked_at < RECHECK_SECONDS:
            return
        disk = os.statvfs(self._directory)
        free = disk.f_bavail * disk.f_frsize
        (pages,) = db.execute("PRAGMA freelist_count").fetchone()
        (page_size,) = db.execute("PRAGMA page_size").fetchone()
        self._asked_at, self._taken_bytes = now, 0
        self.is_short = (
            free + pages * page_size < self._reserve_bytes or free < self._reserve_bytes // 4
        )
