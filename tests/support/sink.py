"""The chaos rounds' remembering receiver, as a process of a test."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chaos.verdict import Arrival, read_arrivals
from harness.service import answers, free_port, wait_until


@dataclass(frozen=True)
class Sink:
    """A receiver on `port`; `arrivals()` is what it has taken so far."""

    port: int
    file: Path

    def arrivals(self) -> list[Arrival]:
        """Return every message received, in order, one entry per recipient."""
        return read_arrivals(self.file) if self.file.exists() else []

    def recipients(self) -> list[str]:
        """Return the recipients in order of arrival, repeats included."""
        return [arrival.recipient for arrival in self.arrivals()]


@contextlib.contextmanager
def sink(folder: Path, port: int | None = None) -> Iterator[Sink]:
    """Run the receiver until the block ends; port: a free one unless given."""
    port, file = port or free_port(), folder / "arrivals.txt"
    process = subprocess.Popen([sys.executable, "-m", "chaos.sink", str(port), str(file)])
    try:
        wait_until(lambda: answers(port), "the sink")
        yield Sink(port, file)
    finally:
        process.kill()
        process.wait()
