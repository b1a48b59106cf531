"""A shard of an older layout is taken over with all that waits in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from merpati.adapters import codec
from merpati.adapters.clock import SystemClock
from merpati.contracts.batch import Batch, Content, Mailbox, MessageRow, Recipient
from merpati.contracts.event import EventType, InjectedRecipient
from merpati.spool.files import INLINE_LIMIT
from merpati.spool.shapes import Grant, LanePace, Postponed
from merpati.spool.shard import Shard
from tests.spool.samples import everything
from tests.support.journal import HOUR, NINE_O_CLOCK, event, injection


def batch(campaign_id: str | None, text: str, due_at: int = NINE_O_CLOCK) -> bytes:
    content = Content(
        *(1, "7000", NINE_O_CLOCK, 1, "default", "kirim.example"),
        *(Mailbox("toko@kirim.example"), "Pesanan"),
        text=text,
        campaign_id=campaign_id,
    )
    row = MessageRow(0, "x.example", due_at, codec.pack(Recipient("a@x.example")))
    told = codec.pack(injection(InjectedRecipient("a@x.example")))
    return codec.pack(Batch(1, "7000", 1, 1, NINE_O_CLOCK, 1, codec.pack(content), [row], told))


def make_older(folder: Path, layout: int) -> None:
    """Bring a shard's file back to an older layout."""
    with closing(sqlite3.connect(folder / "01.sqlite3")) as db:
        db.execute("ALTER TABLE message DROP COLUMN starts_at")
        if layout < 5:
            _make_4(db)
        if layout < 4:
            db.execute("ALTER TABLE content DROP COLUMN starts_at")
            db.execute("ALTER TABLE cancellation DROP COLUMN transmission_id")
        if layout < 3:
            db.execute("ALTER TABLE message DROP COLUMN is_bound")
            db.execute("DROP TABLE pace")
        if layout < 2:
            db.execute("ALTER TABLE content DROP COLUMN campaign_id")
            db.execute("DROP TABLE cancellation")
        db.execute(f"PRAGMA user_version = {layout}")
        db.commit()


def _make_4(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE queue DROP COLUMN tier")
    db.execute("ALTER TABLE message DROP COLUMN bucket")
    db.execute("DROP TABLE allowance")
    db.execute(
        "CREATE TABLE allowance (sending_ip TEXT PRIMARY KEY, day INTEGER NOT NULL,"
        " granted INTEGER NOT NULL) WITHOUT ROWID"
    )
    db.execute("INSERT INTO allowance VALUES ('192.0.2.10', 20000, 150)")


async def test_layout_5_goes_on_with_what_was_scheduled(tmp_path: Path) -> None:
    shard = Shard(tmp_path, 1, SystemClock())
    await shard.append(batch(None, "a"))
    await shard.close()
    make_older(tmp_path, 5)
    shard = Shard(tmp_path, 1, SystemClock())
    later = NINE_O_CLOCK + 5 * HOUR
    await shard.append(batch(None, "a", due_at=later))  # of a batch that started before
    starts = {one.message_id: one.starts_at for one in await everything(shard)}
    assert starts == {1: NINE_O_CLOCK, 2: later}
    await shard.close()


async def test_layout_4_keeps_what_was_used_of_a_day_and_knows_nothing_of_who_waits(
    tmp_path: Path,
) -> None:
    """An upgrade in mid-day gives no IP a second allowance."""
    shard = Shard(tmp_path, 1, SystemClock())
    await shard.append(batch(None, "a"))
    await shard.close()
    make_older(tmp_path, 4)
    shard = Shard(tmp_path, 1, SystemClock())
    assert await shard.reserve("192.0.2.10", "", 20_000, 64, 200) == Grant(50, 200)
    assert await shard.reserve("192.0.2.10", "google", 20_000, 64, 50) == Grant(50, 50)
    (queue,) = (await shard.queues()).values()
    (message,) = await shard.due(1, NINE_O_CLOCK, 10)
    assert (queue.key.tier, message.bucket) == (0, 0)
    await shard.close()


async def test_layout_3_learns_when_mail_was_scheduled_for(tmp_path: Path) -> None:
    shard = Shard(tmp_path, 1, SystemClock())
    at_once, scheduled, retried = (
        batch(None, "a", due_at=NINE_O_CLOCK + wait) for wait in (0, 5 * HOUR, HOUR)
    )
    for one in (at_once, scheduled, retried):
        await shard.append(one)
    await shard.settle([], [Postponed(3, NINE_O_CLOCK + 2 * HOUR)], [event(3, EventType.DELAY)])
    await shard.cancel(1, "spring")
    await shard.close()
    make_older(tmp_path, 3)
    shard = Shard(tmp_path, 1, SystemClock())
    starts = {one.message_id: one.starts_at - NINE_O_CLOCK for one in await everything(shard)}
    assert starts == {1: 0, 2: 5 * HOUR, 3: 0}
    (wanted,) = await shard.cancellations()
    assert (wanted.campaign_id, wanted.transmission_id) == ("spring", "")
    await shard.close()


async def test_layout_1_gets_its_campaigns_from_the_contents(tmp_path: Path) -> None:
    shard = Shard(tmp_path, 1, SystemClock())
    for campaign_id, text in [("spring", "a"), ("spring", "a" * INLINE_LIMIT), (None, "a")]:
        await shard.append(batch(campaign_id, text))
    await shard.close()
    make_older(tmp_path, 1)
    shard = Shard(tmp_path, 1, SystemClock())
    await shard.cancel(1, "spring")
    (wanted,) = await shard.cancellations()
    assert wanted.before_id == 4  # later mail of the campaign goes on
    last, found = await shard.cancellable(wanted, 0, 100)
    assert (last, [message.message_id for message in found]) == (3, [1, 2])
    assert await shard.cancellable(msgspec.structs.replace(wanted, before_id=2), 0, 100) == (
        *(1, found[:1]),
    )
    await shard.end_cancel(wanted.cancellation_id)
    assert await shard.cancellations() == []
    await shard.close()


async def test_layout_2_gets_learned_paces_and_messages_that_are_bound(tmp_path: Path) -> None:
    shard = Shard(tmp_path, 1, SystemClock())
    await shard.append(batch(None, "a"))
    await shard.close()
    make_older(tmp_path, 2)
    shard = Shard(tmp_path, 1, SystemClock())
    await shard.keep_pace("192.0.2.10", "google", b"slow")
    assert await shard.paces() == [LanePace("192.0.2.10", "google", b"slow")]
    (message,) = await shard.due(1, NINE_O_CLOCK, 10)
    assert not message.is_bound
    await shard.close()
