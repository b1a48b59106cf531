"""A running service with one customer and a receiver, for each journey of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.customer import Customer, sign_up
from harness.service import Merpati
from tests.support.prepared import prepared
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


@pytest.fixture
def journey(tmp_path: Path) -> Iterator[Journey]:
    """Start service and sink; stop both afterwards, and insist on a clean exit."""
    faults = tmp_path / "faults"
    with sink(tmp_path) as receiver:
        merpati = Merpati(
            prepared(tmp_path / "data"),
            *("--workers", "1"),
            environment={"MERPATI_FAULTS_FILE": str(faults)},
        )
        merpati.start()
        try:
            route = ("route", "add", "*", f"127.0.0.1:{receiver.port}")
            customer = sign_up(merpati, also=[route])
            yield Journey(merpati, customer, receiver, faults)
        finally:
            faults.unlink(missing_ok=True)
            code = merpati.stop()
        assert code == 0, merpati.log.read_text()[-2000:]
