"""Which workers run, for commands that ask them."""

from __future__ import annotations

import json
from pathlib import Path

from merpati.runtime.paths import DataFolder


def running_workers(folder: DataFolder) -> int | None:
    """Return how many workers run; None while Merpati is stopped."""
    try:
        state = json.loads(folder.state.read_text())
    except FileNotFoundError:
        return None
    # A killed supervisor leaves its state behind.
    return int(state["workers"]) if Path(f"/proc/{state['pid']}").exists() else None
