"""What came in for our return paths, from the journal to the event store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from merpati.adapters.clock import SystemClock
from merpati.adapters.codec import pack
from merpati.contracts.event import JournalKind
from merpati.contracts.inbound import InboundMail
from merpati.events.balance import balance
from merpati.events.inbound import find, newest
from merpati.events.recorder import Recorder
from merpati.events.store import INBOUND, LAYOUT, TABLES, reading
from merpati.spool.shard import Shard
from tests.support.journal import MINUTE, NINE_O_CLOCK

MAIL = InboundMail(
    *(1, 7, NINE_O_CLOCK, "b0@bounces.example", "", "192.0.2.9", "mx.example", 5, b"Hi.\r\n")
)


class NoTrimming:
    def trim(self, shard: int, seq: int) -> None:
        """Keep the journal, as before a worker answers."""


async def fill(folder: Path, *mails: InboundMail, shard_number: int = 1) -> None:
    shard = Shard(folder / "spool", shard_number, SystemClock(), reserve_bytes=0)
    for mail in mails:
        await shard.record(JournalKind.INBOUND, pack(mail))
    await shard.close()


def record(folder: Path) -> int:
    with Recorder(folder / "events.sqlite3", folder / "spool", NoTrimming()) as recorder:
        return recorder.step()


async def test_what_came_in_is_kept_once_and_found(tmp_path: Path) -> None:
    later = msgspec.structs.replace(MAIL, account_id=2, received_at=NINE_O_CLOCK + MINUTE)
    await fill(tmp_path, MAIL, later)
    assert (record(tmp_path), record(tmp_path)) == (2, 0)  # told, so that a stop takes the rest
    with reading(tmp_path / "events.sqlite3") as db:
        found = newest(db, None, 10)
        assert [one.mail for one in found] == [later, MAIL]
        assert [one.mail for one in newest(db, None, 1)] == [later]
        assert [one.mail for one in newest(db, 1, 10)] == [MAIL]
        assert find(db, found[1].id) == found[1]
        assert find(db, 42) is None
    assert found[1].message_id == "0100000000000007"
    document = found[1].document()
    assert document["received_at"] == "2026-11-22T09:00:00.000+00:00"
    assert (document["size_bytes"], document["kept_bytes"]) == (5, 5)


@pytest.mark.parametrize("is_recorded", [False, True])
async def test_what_came_in_moves_no_message(tmp_path: Path, is_recorded: bool) -> None:
    await fill(tmp_path, MAIL)
    if is_recorded:
        record(tmp_path)
    assert balance(tmp_path / "events.sqlite3", tmp_path / "spool") == []


async def test_a_store_of_layout_1_is_brought_up_and_reads_as_empty_until_then(
    tmp_path: Path,
) -> None:
    events = tmp_path / "events.sqlite3"
    with closing(sqlite3.connect(events)) as db:
        db.executescript(TABLES.partition(INBOUND)[0])
        db.execute("INSERT INTO cursor VALUES (1, 0, '')")
        db.execute("PRAGMA user_version = 1")
        db.commit()
    with reading(events) as db:
        assert newest(db, None, 10) == []
    await fill(tmp_path, MAIL)
    record(tmp_path)
    with reading(events) as db:
        assert [one.mail for one in newest(db, None, 10)] == [MAIL]
        assert db.execute("PRAGMA user_version").fetchone() == (LAYOUT,)


async def test_what_came_in_long_ago_is_forgotten_some_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("merpati.events.recorder.STEP_FORGOTTEN", 2)
    later = [msgspec.structs.replace(MAIL, received_at=NINE_O_CLOCK + n * MINUTE) for n in range(5)]
    await fill(tmp_path, *later)
    with Recorder(tmp_path / "events.sqlite3", tmp_path / "spool", NoTrimming()) as recorder:
        recorder.step()
        forgotten = [recorder.forget_inbound(NINE_O_CLOCK + 3 * MINUTE) for _ in range(3)]
    assert forgotten == [2, 1, 0]
    with reading(tmp_path / "events.sqlite3") as db:
        assert [one.mail for one in newest(db, None, 10)] == [later[4], later[3]]
