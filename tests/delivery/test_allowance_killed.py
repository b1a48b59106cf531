"""M1: kill -9 of a real process between reserving an allowance and using it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from merpati.delivery.allowance import DAY_MS
from tests.support.worker import NOON

ROOT = Path(__file__).parents[2]
A_DAY, BLOCK = 100, 5
KILLED = -signal.SIGKILL


def _worker(folder: Path, moment: int, attempts: int) -> tuple[int, int]:
    """Run a worker that takes so many attempts; return how it ended, and how many it took."""
    arguments = (str(folder), str(moment), str(A_DAY), str(attempts))
    done = subprocess.run(
        [sys.executable, "-m", "tests.delivery.reserving_program", *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout.count("took")


def test_a_killed_worker_wastes_a_block_and_never_passes_the_day(tmp_path: Path) -> None:
    before_midnight = NOON + DAY_MS // 2 - 1
    assert _worker(tmp_path, NOON, 40) == (KILLED, 40)
    assert _worker(tmp_path, NOON, 40) == (KILLED, 40)
    # Two blocks are lost with the dead; what is left goes, and no attempt more.
    assert _worker(tmp_path, before_midnight, 40) == (0, A_DAY - 2 * (40 + BLOCK))
    assert _worker(tmp_path, before_midnight, 40) == (0, 0)
    # A new day begins, whoever died before; a clock that goes back gets nothing of the old one.
    assert _worker(tmp_path, before_midnight + 1, 60) == (KILLED, 60)
    assert _worker(tmp_path, before_midnight, 60) == (0, A_DAY - 60 - BLOCK)
    assert _worker(tmp_path, before_midnight + 1, 60) == (0, 0)
