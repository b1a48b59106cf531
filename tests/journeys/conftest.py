"""A running service with one customer and a receiver, for each journey of its own."""

from __future__ import annotations

import contextlib
import functools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.customer import Customer
from harness.service import Merpati, answers
from tests.support.prepared import signed_up
from tests.support.sink import Sink, sink


@dataclass
class Journey:
    """What a journey starts with: all mail is routed to the sink."""

    merpati: Merpati
    customer: Customer
    sink: Sink
    faults: Path  # see adapters/faults.py

    @property
    def http(self) -> str:
        """Return the address of the HTTP port."""
        return self.merpati.addresses["http"]

    def balance(self) -> dict[str, int]:
        """Return the account's balance summed over all hours; every hour's difference is 0."""
        rows = self.merpati.command("accounts", "balance")["rows"]
        assert all(row["difference"] == 0 for row in rows), rows
        names = [name for name in rows[0] if name not in ("account_id", "hour", "difference")]
        return {name: sum(row[name] for row in rows) for name in names}


@functools.cache
def _sink_port() -> int:
    """Return a port for the sinks of this process that no client is given meanwhile."""
    while True:
        port = random.randrange(10_000, 30_000)
        if not answers(port):
            return port


@contextlib.contextmanager
def running(folder: Path, *options: str) -> Iterator[Journey]:
    """Start service and sink; stop both afterwards, and insist on a clean exit."""
    faults = folder / "faults"
    customer = signed_up(folder / "data", ("route", "add", "*", f"127.0.0.1:{_sink_port()}"))
    with sink(folder, _sink_port()) as receiver:
        merpati = Merpati(
            folder / "data",
            *("--workers", "1", *options),
            environment={"MERPATI_FAULTS_FILE": str(faults)},
        )
        merpati.start()
        try:
            yield Journey(merpati, customer, receiver, faults)
        finally:
            faults.unlink(missing_ok=True)
            code = merpati.stop()
        assert code == 0, merpati.log.read_text()[-2000:]


@pytest.fixture
def journey(tmp_path: Path) -> Iterator[Journey]:
    """A journey that begins with the service running."""
    with running(tmp_path) as it:
        yield it
