"""A backup becomes an instance of its own, which is still until it is told to go."""

from __future__ import annotations

import sqlite3
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harness.service import CommandFailed, Merpati, wait_until
from tests.journeys.conftest import Journey
from tests.support.http_calls import send, transmission

pytestmark = pytest.mark.journey

SOON, LATER = ["soon@example.net"], ["later@example.net"]


def accept(journey: Journey, *recipients: str, api: str = "", **options: str) -> None:
    body = transmission(*recipients)
    body |= {"options": options} if options else {}
    status, _ = send(api or journey.http, journey.customer.api_key, body)
    assert status == 200


def nonces(data: Path) -> dict[str, str]:
    found = {}
    for path in sorted((data / "spool").glob("*.sqlite3")):
        with closing(sqlite3.connect(path)) as db:
            found[path.name] = db.execute("SELECT value FROM meta").fetchone()[0]
    return found


@pytest.fixture
def copy(journey: Journey, tmp_path: Path) -> Iterator[Merpati]:
    """Something delivered, something held and something scheduled; backed up, restored, started."""
    accept(journey, "before@example.net")
    wait_until(lambda: journey.balance()["delivered"] == 1, "the first message's record")
    journey.merpati.command("hold", "--reason", "a backup is tested")
    wait_until(lambda: held(journey.merpati), "the hold to be followed", 10)
    accept(journey, *SOON)
    accept(journey, *LATER, start_time="2026-01-01T00:00:00Z")
    done = journey.merpati.command("backup", str(tmp_path / "backup"))
    assert (done["accepted"], done["waiting"], done["unbalanced"]) == (3, 2, 0)
    restored = Merpati(tmp_path / "restored", "--workers", "1")
    assert restored.command("restore", str(tmp_path / "backup"))["held"] is True
    restored.start()
    yield restored
    assert restored.stop() == 0


def held(merpati: Merpati) -> bool:
    with urllib.request.urlopen(f"http://{merpati.addresses['http']}/metrics") as answer:
        return b'merpati_delivery_held{worker="0"} 1' in answer.read()


def balance(merpati: Merpati) -> dict[str, int]:
    rows = merpati.command("accounts", "balance")["rows"]
    assert all(row["difference"] == 0 for row in rows)
    return {name: sum(row[name] for row in rows) for name in ("accepted", "delivered", "waiting")}


def test_a_restored_copy_sends_nothing_until_it_is_told_to(journey: Journey, copy: Merpati) -> None:
    assert nonces(copy.data).keys() == nonces(journey.merpati.data).keys()
    assert not set(nonces(copy.data).values()) & set(nonces(journey.merpati.data).values())
    assert balance(copy) == {"accepted": 3, "delivered": 1, "waiting": 2}
    accept(journey, "new@example.net", api=copy.addresses["http"])
    wait_until(lambda: balance(copy)["waiting"] == 3, "the new message")
    wait_until(lambda: held(copy), "the worker to say that it holds", 10)
    queues = copy.command("queue")["queues"]
    assert sum(row["depth"] for row in queues) == 3
    for row in queues:
        assert row["reason"].startswith("all delivery is held: restored from the backup of 20")
    copy.stop()
    copy.start()  # a restart changes nothing
    assert held(copy)
    assert journey.sink.recipients() == ["before@example.net"]
    assert copy.command("resume")["was_held"].startswith("restored from the backup of 20")
    wait_until(lambda: balance(copy)["delivered"] == 4, "all to be sent", 20)
    arrived = journey.sink.arrivals()
    assert sorted(a.recipient for a in arrived[1:]) == sorted(["new@example.net", *SOON, *LATER])
    assert len({arrival.message_id for arrival in arrived}) == 4
    journey.merpati.command("resume")


def test_a_backup_or_copy_never_overwrites(journey: Journey, tmp_path: Path, copy: Merpati) -> None:
    with pytest.raises(CommandFailed, match="is not empty"):
        journey.merpati.command("backup", str(tmp_path / "backup"))
    with pytest.raises(CommandFailed, match="is not empty"):
        copy.command("restore", str(tmp_path / "backup"))
    with pytest.raises(CommandFailed, match="holds no Merpati data"):
        Merpati(tmp_path / "nothing").command("backup", str(tmp_path / "other"))
    journey.merpati.command("resume")
