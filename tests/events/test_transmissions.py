"""How far a transmission is, told the same before and after the recorder has stored it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from merpati.adapters.clock import SystemClock
from merpati.contracts.event import EventType, Settlement
from merpati.events import transmissions
from merpati.events.recorder import Recorder
from merpati.events.transmissions import State, Transmission, Transmissions
from merpati.spool.errors import SpoolUnavailable
from merpati.spool.shard import Shard
from tests.support.journal import event
from tests.support.worker import ACCOUNT, NOON, batch

HOUR = 3_600_000
START = NOON + 24 * HOUR


class Trimmer:
    def __init__(self, shard: Shard) -> None:
        self._shard = shard

    def trim(self, shard: int, seq: int) -> None:
        """Leave the journal as it is: what is stored already must not count twice."""


async def _filled(spool: Path) -> None:
    shard = Shard(spool, 1, SystemClock())
    for number, recipients in (("71", 3), ("72", 1), ("73", 2)):
        some = [f"u{n}@x.example" for n in range(recipients)]
        due_at = START if number != "72" else None
        campaign_id = "spring" if number != "73" else ""
        await shard.append(
            batch(*some, now=NOON, due_at=due_at, transmission_id=number, campaign_id=campaign_id)
        )
    failed = event(1, EventType.GENERATION_FAILURE, settlement=Settlement.FAILED)
    await shard.settle([1, 2], [], [failed, event(2)])
    await shard.settle([4], [], [event(4, EventType.BOUNCE, settlement=Settlement.CANCELLED)])
    await shard.close()


@pytest.fixture(params=["in the journal", "stored"])
def found(request: pytest.FixtureRequest, tmp_path: Path) -> Transmissions:
    asyncio.run(_filled(tmp_path / "spool"))
    if request.param == "stored":
        shard = Shard(tmp_path / "spool", 1, SystemClock())
        with Recorder(tmp_path / "events.sqlite3", tmp_path / "spool", Trimmer(shard)) as recorder:
            assert recorder.step()
    return Transmissions(tmp_path / "events.sqlite3", tmp_path / "spool")


def counts(one: Transmission | None) -> tuple[int, int, int, int]:
    assert one is not None
    return one.recipients, one.waiting, one.failed, one.cancelled


def test_a_transmission_tells_what_became_of_its_messages(found: Transmissions) -> None:
    first = found.find(ACCOUNT, 1, "71")
    assert counts(first) == (3, 1, 1, 0)
    assert first is not None
    assert (first.starts_at, first.is_too_close(START - 660_000)) == (START, False)
    assert first.is_too_close(START - 659_999)
    assert [first.state(START - 1), first.state(START)] == [State.SUBMITTED, State.GENERATING]
    assert counts(found.find(ACCOUNT, 1, "72")) == (1, 0, 0, 1)
    assert counts(found.find(ACCOUNT, 1, "73")) == (2, 2, 0, 0)
    assert found.find(ACCOUNT + 1, 1, "71") is None
    assert found.find(ACCOUNT, 1, "74") is None
    assert found.find(ACCOUNT, 2, "74") is None  # a shard that never held anything


def test_what_waits_is_listed_the_newest_first(found: Transmissions) -> None:
    listed = [one.injection.transmission_id for one in found.unfinished(ACCOUNT, 1)]
    assert listed == ["73", "71"]
    spring = found.unfinished(ACCOUNT, 1, "spring")
    assert [one.injection.transmission_id for one in spring] == ["71"]
    assert found.unfinished(ACCOUNT + 1, 1) == []
    assert found.unfinished(ACCOUNT, 2) == []


def test_a_cancellation_that_is_not_done_counts_for_what_it_covers(
    found: Transmissions, tmp_path: Path
) -> None:
    async def cancel(campaign_id: str, transmission_id: str) -> None:
        shard = Shard(tmp_path / "spool", 1, SystemClock())
        await shard.cancel(ACCOUNT, campaign_id, transmission_id)
        await shard.close()

    def cancelled() -> list[str]:
        return [
            one.injection.transmission_id
            for one in found.unfinished(ACCOUNT, 1)
            if one.state(NOON) is State.CANCELED
        ]

    asyncio.run(cancel("spring", ""))
    asyncio.run(_filled_later(tmp_path / "spool"))
    assert cancelled() == ["71"]
    asyncio.run(cancel("", "73"))
    assert cancelled() == ["73", "71"]


async def _filled_later(spool: Path) -> None:
    shard = Shard(spool, 1, SystemClock())
    await shard.append(batch("a@x.example", now=NOON, transmission_id="75", campaign_id="spring"))
    await shard.close()


def test_a_recorder_far_behind_is_not_read_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(_filled(tmp_path / "spool"))
    monkeypatch.setattr(transmissions, "MOST_UNSTORED_BYTES", 100)
    with pytest.raises(SpoolUnavailable, match="too far behind"):
        Transmissions(tmp_path / "events.sqlite3", tmp_path / "spool").find(ACCOUNT, 1, "71")
