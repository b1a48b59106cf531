"""An event store to fill with days, and a sending IP that warms up by provider."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from merpati.events import provider_days
from merpati.events.store import EventStore
from merpati.plans.warmup import actions
from merpati.sending.models import SendingIp
from merpati.sending.sending_ips import add_sending_ip
from tests.support.control import BY, NOW, make_account

ADDRESS = "192.0.2.1"

Send = Callable[..., None]


@pytest.fixture
def ip() -> SendingIp:
    account = make_account()
    add_sending_ip(account.pk, ADDRESS, "mta1.example.org", by=BY, now=NOW)
    return actions.start(account.pk, ADDRESS, by=BY, now=NOW)


@pytest.fixture
def events_file(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite3"


@pytest.fixture
def send(events_file: Path) -> Send:
    """Count what an IP sent to a provider on a day; more of the same day adds up."""

    def count(
        day: date,
        attempted: int,
        provider: str = "google",
        *,
        deferred: int = 0,
        blocked: int = 0,
        deferred_rests: int = 0,
        blocked_rests: int = 0,
        address: str = ADDRESS,
    ) -> None:
        delivered = attempted - deferred - blocked
        counts = [attempted, attempted, delivered, deferred, blocked, 0, 0, 0]
        counts += [deferred_rests, blocked_rests]
        EventStore(events_file).close()  # makes the tables
        with EventStore(events_file) as store:
            key = (address, provider_days.number_of(day), provider)
            store._db.execute("BEGIN")
            provider_days.add(store._db, {key: counts})
            store._db.execute("COMMIT")

    return count
