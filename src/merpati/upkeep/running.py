"""What runs on a data folder, as its supervisor wrote it down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from merpati.runtime.paths import DataFolder
from merpati.settings import HostPort, parse_host_port


@dataclass(frozen=True, slots=True)
class Running:
    """A running Merpati: its processes by name, and where it listens."""

    workers: int
    addresses: dict[str, HostPort]
    pids: dict[str, int]


def running(folder: DataFolder) -> Running | None:
    """Return what runs, None while Merpati is stopped."""
    try:
        state = json.loads(folder.state.read_text())
    except FileNotFoundError:
        return None
    if not Path(f"/proc/{state['pid']}").exists():  # a killed supervisor leaves its state behind
        return None
    addresses = {name: parse_host_port(text) for name, text in state["addresses"].items()}
    return Running(int(state["workers"]), addresses, state["pids"])
