"""Transmission ids: decimal digits that never come twice, across restarts and processes.

An id is 63 bits: milliseconds since 2020 (41), a count within the millisecond (14), and the number
of the process (8), which it holds by a file lock as long as it lives. That gives 18 or 19 digits,
sorted by time. The count begins at a random place, so that a clock set back over a restart does
not hand out the same ids again.

Source: sparkpost-api 3.4 (a string of 17 to 20 digits).
"""

from __future__ import annotations

import fcntl
import random
import threading
from pathlib import Path
from typing import BinaryIO

from merpati.adapters.clock import Clock

_EPOCH = 1_577_836_800_000  # 2020-01-01T00:00:00Z
_COUNT_BITS = 14
_PROCESS_BITS = 8


class TooManyProcesses(Exception):
    """All process numbers are held: more than 256 processes take mail for one data folder."""


class TransmissionIds:
    """The ids one process hands out; any thread may ask."""

    def __init__(self, run_dir: Path, clock: Clock) -> None:
        """Take a free process number. Raises TooManyProcesses, OSError."""
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0
        self._file, self._process = _take_number(run_dir)

    def next(self) -> str:
        """Return an id that no process of this data folder returned before."""
        begin = (self._clock.now() - _EPOCH) << _COUNT_BITS | random.getrandbits(_COUNT_BITS - 1)
        with self._lock:
            self._last = count = max(self._last + 1, begin)
        return str(count << _PROCESS_BITS | self._process)

    def close(self) -> None:
        """Give the process number back."""
        self._file.close()


def _take_number(run_dir: Path) -> tuple[BinaryIO, int]:
    for number in range(1 << _PROCESS_BITS):
        file = (run_dir / f"injector-{number:03}.lock").open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            return file, number
    raise TooManyProcesses(str(run_dir))
