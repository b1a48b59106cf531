"""A shard of an older layout is taken over with all that waits in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from merpati.adapters import codec
from merpati.adapters.clock import SystemClock
from merpati.contracts.batch import Batch, Content, Mailbox, MessageRow, Recipient
from merpati.contracts.event import InjectedRecipient
from merpati.spool.files import INLINE_LIMIT
from merpati.spool.shapes import LanePace
from merpati.spool.shard import Shard
from tests.support.journal import NINE_O_CLOCK, injection


def batch(campaign_id: str | None, text: str) -> bytes:
    content = Content(
        *(1, "7000", NINE_O_CLOCK, 1, "default", "kirim.example"),
        *(Mailbox("toko@kirim.example"), "Pesanan"),
        text=text,
        campaign_id=campaign_id,
    )
    row = MessageRow(0, "x.example", NINE_O_CLOCK, codec.pack(Recipient("a@x.example")))
    told = codec.pack(injection(InjectedRecipient("a@x.example")))
    return codec.pack(Batch(1, "7000", 1, 1, NINE_O_CLOCK, 1, codec.pack(content), [row], told))


async def test_layout_1_gets_its_campaigns_from_the_contents(tmp_path: Path) -> None:
    shard = Shard(tmp_path, 1, SystemClock())
    for campaign_id, text in [("spring", "a"), ("spring", "a" * INLINE_LIMIT), (None, "a")]:
        await shard.append(batch(campaign_id, text))
    await shard.close()
    with closing(sqlite3.connect(tmp_path / "01.sqlite3")) as db:
        db.execute("ALTER TABLE content DROP COLUMN campaign_id")
        db.execute("DROP TABLE cancellation")
        _undo_layout_3(db)
        db.execute("PRAGMA user_version = 1")
        db.commit()
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
    with closing(sqlite3.connect(tmp_path / "01.sqlite3")) as db:
        _undo_layout_3(db)
        db.execute("PRAGMA user_version = 2")
        db.commit()
    shard = Shard(tmp_path, 1, SystemClock())
    await shard.keep_pace("192.0.2.10", "google", b"slow")
    assert await shard.paces() == [LanePace("192.0.2.10", "google", b"slow")]
    (message,) = await shard.due(1, NINE_O_CLOCK, 10)
    assert not message.is_bound
    await shard.close()


def _undo_layout_3(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE message DROP COLUMN is_bound")
    db.execute("DROP TABLE pace")
