"""What comes from outside goes into the journal: durable once answered, beside the batches."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from merpati.adapters.clock import SystemClock
from merpati.contracts.event import JournalKind
from merpati.spool.client import SpoolClient
from merpati.spool.errors import BatchRefused, SpoolFull, SpoolUnavailable
from merpati.spool.reading import snapshot
from merpati.spool.shapes import JournalRow
from merpati.spool.shard import Shard
from tests.spool.samples import batch
from tests.spool.test_crash import worker

INBOUND = JournalKind.INBOUND


def journal(folder: Path) -> list[JournalRow]:
    with snapshot(folder / "spool", 0) as shard:
        assert shard is not None
        return shard.journal_after(0, 100)


def test_records_stand_among_the_batches_in_order(tmp_path: Path) -> None:
    with worker(tmp_path):
        client = SpoolClient(tmp_path, workers=1)
        client.record(0, INBOUND, b"one")
        base_id = client.append(0, batch()).base_id
        client.record(0, INBOUND, b"l" * 300_000)
        assert client.append(0, batch()).base_id == base_id + 1, "a record takes no message id"
    rows = journal(tmp_path)
    assert [(row.seq, row.kind) for row in rows] == [(1, 3), (2, 1), (3, 3), (4, 1)]
    assert [rows[0].payload, rows[2].payload] == [b"one", b"l" * 300_000]


def test_records_that_come_with_messages_come_only_with_them(tmp_path: Path) -> None:
    """Else the books would count what no message stands for."""
    with worker(tmp_path):
        client = SpoolClient(tmp_path, workers=1)
        for kind in (JournalKind.INJECTION, JournalKind.EVENTS):
            with pytest.raises(BatchRefused, match="come with their messages only"):
                client.record(0, kind, b"")
        client.record(0, INBOUND, b"kept")
    assert [row.payload for row in journal(tmp_path)] == [b"kept"]


@pytest.mark.parametrize(
    ("point", "is_durable"),
    [
        ("spool.record.before_commit", False),
        ("spool.commit", False),
        ("spool.record.after_commit", True),
    ],
)
def test_killed_while_recording(tmp_path: Path, point: str, is_durable: bool) -> None:
    """D2: what was answered is there, what was not is whole or absent."""
    with worker(tmp_path, f"{point}=kill@3") as process:
        client = SpoolClient(tmp_path, workers=1)
        for payload in (b"1", b"2"):
            client.record(0, INBOUND, payload)
        with pytest.raises(SpoolUnavailable):
            client.record(0, INBOUND, b"3")
        assert process.wait(10) == -signal.SIGKILL
    expected = [b"1", b"2", b"3"] if is_durable else [b"1", b"2"]
    assert [row.payload for row in journal(tmp_path)] == expected


async def test_below_the_reserve_nothing_is_recorded(tmp_path: Path) -> None:
    """D5."""
    shard = Shard(tmp_path / "spool", 0, SystemClock(), reserve_bytes=1 << 60)
    with pytest.raises(SpoolFull):
        await shard.record(INBOUND, b"x")
    await shard.close()
    assert journal(tmp_path) == []
