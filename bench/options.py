"""What a run is asked to do, and the figures it hands back."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_FOLDERS = "rows"
Figures = dict[str, Any]  # one line of JSON: "row", "variant", "round" and what was measured


@dataclass(frozen=True, slots=True)
class Options:
    """Sizes and durations; `quick` has them small enough for a smoke run of two minutes.

    messages: of one bulk round; depth_messages: of the deep queue, compared with `messages`;
    accept_seconds: of each stretch under wrk; accept_calls: calls of 10,000 recipients in a row.
    """

    rows: tuple[str, ...]
    scratch: Path
    rounds: int = 3
    messages: int = 10_000
    per_call: int = 10_000
    relay_messages: int = 5_000
    dns_messages: int = 30_000
    depth_messages: int = 1_000_000
    accept_seconds: int = 10
    accept_calls: int = 20
    connections: int = 64
    backlog: int = 40_000
    cases: int = 100_000
    workers: int = 0
    with_peer: bool = True
    limit_seconds: float = 1_200.0
    environment: Mapping[str, str] = field(default_factory=dict)

    def folder(self, name: str) -> Path:
        """Return an empty scratch folder that every account may enter."""
        path = self.scratch / _FOLDERS / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        for entered in (path, path.parent):
            entered.chmod(0o755)
        return path

    def clear(self) -> None:
        """Remove all scratch folders that rows were given."""
        shutil.rmtree(self.scratch / _FOLDERS, ignore_errors=True)


def say(text: str) -> None:
    """Tell the person at the terminal how far it is."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
