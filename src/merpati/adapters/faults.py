"""Named fault points: places where a test may stop, break or delay the program.

`MERPATI_FAULTS="spool.append.before_commit=kill@3,spool.settle.commit=error"` kills the process at
the third passage of one point and raises OSError(EIO) at each passage of another. Actions: `kill`
(SIGKILL to ourselves), `error` (EIO), `full` (ENOSPC), `sleep:SECONDS`; `@N` means from the N-th
passage on (only the N-th for kill). Without the variable a point costs one truth test.
Where a file named by `MERPATI_FAULTS_FILE` exists its text is used instead, reread at each passage,
so that a test can switch a fault on and off in a running process.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

_armed = os.environ.get("MERPATI_FAULTS", "")
_file = os.environ.get("MERPATI_FAULTS_FILE", "")
_passages: dict[str, int] = {}

ENABLED = bool(_armed or _file)


def fault(point: str) -> None:
    """Pass the named point: nothing happens unless the environment armed it."""
    if ENABLED:
        _pass(point)


def _plan() -> dict[str, str]:
    text = _armed
    if _file and (path := Path(_file)).exists():
        text = path.read_text().strip()
    return dict(item.split("=", 1) for item in text.split(",") if "=" in item)


def _pass(point: str) -> None:
    action = _plan().get(point)
    if action is None:
        return
    action, _, nth = action.partition("@")
    count = _passages[point] = _passages.get(point, 0) + 1
    wanted = int(nth or 1)
    if count < wanted or (action == "kill" and count > wanted):
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action.startswith("sleep:"):
        time.sleep(float(action.removeprefix("sleep:")))
    elif action == "full":
        raise OSError(errno.ENOSPC, f"fault point {point}")
    else:
        raise OSError(errno.EIO, f"fault point {point}")
