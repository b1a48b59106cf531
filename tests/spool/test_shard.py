"""What a shard promises to each caller."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from merpati.adapters.clock import SystemClock
from merpati.adapters.codec import pack, unpacker
from merpati.contracts.batch import Accepted, MessageRow, Recipient
from merpati.contracts.event import Injection, JournalKind
from merpati.spool.draft import HANDED_OVER
from merpati.spool.errors import BatchRefused, IdempotencyConflict, ShardInUse, SpoolUnavailable
from merpati.spool.files import ShardLock
from merpati.spool.operations import Append, Settle, Sweep
from merpati.spool.reading import snapshot
from merpati.spool.shapes import Arrival, Grant, Postponed, QueueKey
from merpati.spool.shard import Shard
from merpati.spool.store import KEY_LIFE_MS, Store
from merpati.spool.writing import PURGE_KEYS
from tests.spool.samples import (
    FAR,
    LARGE,
    NINE,
    addresses,
    batch,
    delivered,
    everything,
    settled_in_journal,
)

MEGABYTE = 1 << 20


async def reopened(shard: Shard, folder: Path) -> Shard:
    await shard.close()
    return Shard(folder / "spool", 0, SystemClock(), reserve_bytes=0)


class MovableClock:
    def __init__(self) -> None:
        self.wall = NINE

    def now(self) -> int:
        return self.wall

    def elapsed(self) -> float:
        return SystemClock().elapsed()


async def test_a_message_comes_back_with_all_that_was_stored(shard: Shard) -> None:
    accepted = await shard.append(
        pack(batch(["ani@gmail.com"], content=b"isi", policy_version=7, pool_id=2))
    )
    (queue,) = (await shard.queues()).values()
    (message,) = await shard.due(queue.queue_id, NINE, 10)
    assert queue.key == QueueKey(3, 2, "gmail.com")
    assert (queue.count, queue.earliest_due_at) == (1, NINE)
    assert shard.queue_key(queue.queue_id) == queue.key
    assert message.message_id == accepted.base_id
    assert (message.attempts, message.last_ip, message.note) == (0, "", "")
    assert (message.account_id, message.transmission_id, message.injected_at) == (3, "77", NINE)
    assert message.policy_version == 7
    assert await shard.contents([message.content_id]) == {message.content_id: b"isi"}


async def test_suppressed_recipients_take_an_id_but_no_row(shard: Shard) -> None:
    three = ["ani@x.example", "budi@x.example", "cici@x.example"]
    first = await shard.append(pack(batch(three, suppressed=[0, 1])))
    second = await shard.append(pack(batch(three, suppressed=[0, 1, 2])))
    third = await shard.append(pack(batch()))
    assert [second.base_id, third.base_id] == [first.base_id + 3, first.base_id + 6]
    ids = [message.message_id for message in await everything(shard)]
    assert ids == [first.base_id + 2, third.base_id]


async def test_nothing_is_made_by_asking_what_waits(tmp_path: Path) -> None:
    shard = Shard(tmp_path / "spool", 4, SystemClock())
    assert await shard.queues() == {}
    await shard.close()
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


async def test_due_pages_through_equal_moments_in_order(shard: Shard) -> None:
    people = [f"u{n}@x.example" for n in range(25)]
    await shard.append(pack(batch(people, due_at=NINE)))
    await shard.append(pack(batch(people, due_at=NINE - 5)))
    await shard.append(pack(batch(people, due_at=NINE + 5)))
    (queue_id,) = await shard.queues()
    seen: list[tuple[int, int]] = []
    while page := await shard.due(queue_id, NINE, 7, after=seen[-1] if seen else None):
        seen += [(message.due_at, message.message_id) for message in page]
    assert len(seen) == 50  # those of NINE + 5 are not due
    assert seen == sorted(set(seen))
    assert await shard.next_due_at(queue_id, NINE) == NINE + 5
    assert await shard.next_due_at(queue_id, NINE + 5) is None


async def test_arrivals_are_announced_once_a_commit_by_queue(shard: Shard) -> None:
    heard: list[tuple[str, int, int]] = []
    shard.on_due = lambda told: heard.append(
        (shard.queue_key(told.queue_id).domain, told.count, told.earliest_due_at)
    )
    await shard.append(pack(batch(["a@x.example", "b@y.example", "c@x.example"], due_at=NINE + 9)))
    assert sorted(heard) == [("x.example", 2, NINE + 9), ("y.example", 1, NINE + 9)]


async def test_few_messages_are_handed_over_as_they_would_be_read(shard: Shard) -> None:
    heard: list[Arrival] = []
    shard.on_due = heard.append
    await shard.append(pack(batch(["a@x.example"], content=b"one")))
    await shard.append(pack(batch(["b@x.example", "c@y.example", "d@x.example"], content=b"some")))
    for told in heard:
        read = await shard.due(told.queue_id, NINE, 10)
        assert all(row in read for row in told.rows)
        assert told.contents == await shard.contents([row.content_id for row in told.rows])
    assert [len(told.rows) for told in heard] == [told.count for told in heard] == [1, 2, 1]
    assert [row.is_alone for told in heard for row in told.rows] == [True, False, False, False]


async def test_many_messages_and_those_for_later_are_to_be_read(shard: Shard) -> None:
    heard: list[Arrival] = []
    shard.on_due = heard.append
    await shard.append(pack(batch([f"u{n}@x.example" for n in range(HANDED_OVER + 1)])))
    await shard.append(pack(batch(["a@x.example"], due_at=FAR)))
    assert [(told.count, told.rows, told.contents) for told in heard] == [
        (HANDED_OVER + 1, [], {}),
        (1, [], {}),
    ]


async def test_the_same_key_is_the_same_acceptance(shard: Shard, tmp_path: Path) -> None:
    first = await shard.append(pack(batch(key="k1", reply=b"first")))
    again = await shard.append(pack(batch(key="k1", reply=b"second")))
    assert again == Accepted(first.base_id, repeated=True, reply=b"first")
    shard = await reopened(shard, tmp_path)
    assert await shard.append(pack(batch(key="k1"))) == again
    other_account = await shard.append(pack(batch(key="k1", account_id=9)))
    assert not other_account.repeated
    assert len(await everything(shard)) == 2
    await shard.close()


async def test_the_same_key_for_another_request_is_refused(shard: Shard) -> None:
    await shard.append(pack(batch(key="k1")))
    with pytest.raises(IdempotencyConflict, match="'k1' was used for a different request"):
        await shard.append(pack(batch(key="k1", fingerprint=b"g")))
    assert len(await everything(shard)) == 1


async def test_the_same_key_many_times_at_once_is_stored_once(shard: Shard) -> None:
    answers = await asyncio.gather(*(shard.append(pack(batch(key="k1"))) for _ in range(20)))
    assert sorted(one.repeated for one in answers) == [False] + [True] * 19
    assert len({one.base_id for one in answers}) == 1
    assert len(await everything(shard)) == 1


async def test_a_key_is_free_again_after_a_day(tmp_path: Path) -> None:
    clock = MovableClock()
    shard = Shard(tmp_path, 0, clock, reserve_bytes=0)
    await shard.append(pack(batch(key="k1")))
    clock.wall += 24 * 3_600_000
    assert (await shard.append(pack(batch(key="k1")))).repeated
    clock.wall += 1
    assert not (await shard.append(pack(batch(key="k1", fingerprint=b"g")))).repeated
    await shard.close()


@pytest.mark.parametrize(
    ("defect", "says"),
    [
        pytest.param(b"\xc1", "not a batch", id="no msgpack"),
        pytest.param(pack([1, 2]), "not a batch", id="another shape"),
        pytest.param(pack(batch([])), "at least one recipient", id="empty"),
        pytest.param(pack(batch(["a@x.example"] * 2)).replace(b"\x00\xa9x.ex", b"\x05\xa9x.ex"),
                     "must be 0 to 1", id="an id of the next batch"),
        pytest.param(pack(batch(["a@x.example"] * 2)).replace(b"\x00\xa9x.ex", b"\x01\xa9x.ex"),
                     "must rise", id="one id twice"),
    ],
)  # fmt: skip
async def test_a_malformed_batch_is_refused_alone(shard: Shard, defect: bytes, says: str) -> None:
    good, bad, also_good = await asyncio.gather(
        shard.append(pack(batch())),
        shard.append(defect),
        shard.append(pack(batch())),
        return_exceptions=True,
    )
    assert isinstance(bad, BatchRefused)
    assert re.search(says, str(bad))
    assert isinstance(good, Accepted)
    assert isinstance(also_good, Accepted)
    assert len(await everything(shard)) == 2


async def test_what_only_sqlite_refuses_fails_alone(shard: Shard, tmp_path: Path) -> None:
    await shard.append(pack(batch()))
    with pytest.raises(SpoolUnavailable, match="the worker failed"):
        await shard.append(pack(batch(due_at=1 << 63, content=b"b" * LARGE)))
    assert list((tmp_path / "spool" / "00").iterdir()) == []  # no body without a batch
    good, bad, also_good = await asyncio.gather(
        shard.append(pack(batch())),
        shard.append(pack(batch(due_at=1 << 63))),
        shard.append(pack(batch())),
        return_exceptions=True,
    )
    assert isinstance(bad, SpoolUnavailable)
    assert isinstance(good, Accepted)
    assert isinstance(also_good, Accepted)
    assert len(await everything(shard)) == 3


async def test_settled_messages_leave_with_their_event(shard: Shard, tmp_path: Path) -> None:
    accepted = await shard.append(pack(batch(["a@x.example", "b@x.example"])))
    await shard.settle([accepted.base_id], [], [delivered(accepted.base_id)])
    assert await addresses(shard) == ["b@x.example"]
    assert settled_in_journal(tmp_path / "spool") == [accepted.base_id]


async def test_a_body_is_written_when_it_comes_and_not_when_it_goes(
    shard: Shard, tmp_path: Path
) -> None:
    """A SQLite that overwrites what it frees, as Debian's does, would double what is written."""
    log = tmp_path / "spool" / "00.sqlite3-wal"
    accepted = await shard.append(pack(batch(content=bytes(200 << 10))))
    before = log.stat().st_size
    await shard.settle([accepted.base_id])
    assert log.stat().st_size - before < 100 << 10


async def test_a_message_settles_once_however_often_it_is_said(
    shard: Shard, tmp_path: Path
) -> None:
    ids = range(1, 4)
    await shard.append(pack(batch(["a@x.example"] * 3)))
    await asyncio.gather(*(shard.settle(list(ids), [], [delivered(n) for n in ids]) for _ in "ab"))
    await shard.settle([1], [Postponed(2, FAR)], [delivered(1), delivered(2)])
    assert await everything(shard) == []
    assert settled_in_journal(tmp_path / "spool") == [1, 2, 3]
    assert shard.status().waiting == 0


async def test_a_postponed_message_keeps_its_place_in_time(tmp_path: Path, shard: Shard) -> None:
    await shard.append(pack(batch(["a@x.example", "b@x.example"])))
    (queue_id,) = await shard.queues()
    first = Postponed(1, NINE + 60, True, "127.0.0.2", "450 later\nplease", is_bound=True)
    await shard.settle([], [first])
    (other,) = await shard.due(queue_id, NINE + 59, 10)
    assert other.message_id == 2
    (message,) = await shard.due(queue_id, NINE + 60, 10, after=(NINE, 2))
    assert (message.attempts, message.last_ip) == (1, "127.0.0.2")
    assert message.note == "450 later please"
    assert message.is_bound
    assert [(q.earliest_due_at, q.note) for q in (await shard.queues()).values()] == [(NINE, "")]
    await shard.settle([], [Postponed(2, NINE + 90, note="451 no")])
    with snapshot(tmp_path / "spool", shard.number) as read:
        for depths in (list((await shard.queues()).values()), read.depths()):
            (first_due,) = depths
            assert (first_due.earliest_due_at, first_due.note) == (NINE + 60, message.note)
            assert (first_due.last_ip, first_due.is_bound) == ("127.0.0.2", True)
    await shard.settle([], [Postponed(2, NINE)])
    await shard.settle([], [Postponed(1, NINE + 90, attempted=False)])
    (message,) = await shard.due(queue_id, FAR, 10, after=(NINE, 2))
    assert (message.due_at, message.attempts, message.last_ip) == (NINE + 90, 1, "127.0.0.2")
    assert message.note == "450 later please"
    assert message.is_bound
    await shard.settle([], [Postponed(1, NINE + 120, is_bound=False)])
    (message,) = await shard.due(queue_id, FAR, 10, after=(NINE, 2))
    assert not message.is_bound


async def test_deferred_mail_is_made_due_and_scheduled_mail_is_not(shard: Shard) -> None:
    told: list[Arrival] = []
    shard.on_due = told.append
    await shard.append(pack(batch(["a@x.example", "b@x.example", "c@x.example"], due_at=FAR)))
    (queue_id,) = await shard.queues()
    deferred = [Postponed(n, FAR, last_ip=f"127.0.0.{n + 1}") for n in (1, 2)]
    await shard.settle([], deferred)
    told.clear()
    assert await shard.make_due(queue_id, NINE, "127.0.0.3") == 1
    assert [m.message_id for m in await shard.due(queue_id, NINE, 10)] == [2]
    assert await shard.make_due(queue_id, NINE) == 1
    assert [m.message_id for m in await shard.due(queue_id, NINE, 10)] == [1, 2]
    assert told == [Arrival(queue_id, 1, NINE - 1)] * 2  # readers that came to NINE look back


async def test_a_learned_pace_is_kept_until_it_is_forgotten(shard: Shard) -> None:
    assert await shard.paces() == []
    await shard.keep_pace("127.0.0.2", "google", b"slow")
    await shard.keep_pace("127.0.0.2", "google", b"slower")
    await shard.keep_pace("127.0.0.2", "yahoo", b"slow")
    assert [pace.state for pace in await shard.paces()] == [b"slower", b"slow"]
    await shard.keep_pace("127.0.0.2", "google", None)
    assert [pace.provider for pace in await shard.paces()] == ["yahoo"]


async def test_content_lives_as_long_as_its_last_message(shard: Shard, tmp_path: Path) -> None:
    await shard.append(pack(batch(["a@x.example", "b@x.example"], content=b"kecil")))
    await shard.append(pack(batch(["c@x.example", "d@x.example"], content=b"b" * LARGE)))
    folder = tmp_path / "spool" / "00"
    assert [path.stat().st_size for path in folder.iterdir()] == [LARGE]
    await shard.settle([1, 3])
    assert await shard.contents([1, 2]) == {1: b"kecil", 2: b"b" * LARGE}
    await shard.settle([2, 4])
    assert list(folder.iterdir()) == []
    assert await shard.contents([1, 2]) == {1: None, 2: None}


async def test_a_large_answer_leaves_contents_for_the_next(shard: Shard) -> None:
    for letter in (b"a", b"b", b"c"):
        await shard.append(
            pack(batch([f"{letter.decode()}@x.example"], content=letter * (3 << 20)))
        )
    first = await shard.contents([1, 2, 3])
    assert {key: len(body) for key, body in first.items() if isinstance(body, bytes)} == {
        1: 3 << 20,
        2: 3 << 20,
    }
    assert await shard.contents([3]) == {3: b"c" * (3 << 20)}


async def test_numbers_are_never_used_twice(shard: Shard, tmp_path: Path) -> None:
    """max(rowid) would give the same ids again once everything is settled and trimmed."""
    await shard.append(pack(batch(["a@x.example", "b@y.example"])))
    queues = set(await shard.queues())
    await shard.settle([1, 2], [], [delivered(1), delivered(2)])
    await shard.trim(2)
    with snapshot(tmp_path / "spool", 0) as read:
        assert read is not None
        assert (read.last_seq, read.trimmed_seq, read.depths()) == (2, 2, [])
    shard = await reopened(shard, tmp_path)
    assert (await shard.append(pack(batch(["a@x.example", "c@z.example"])))).base_id == 3
    assert {message.content_id for message in await everything(shard)} == {2}
    assert max(await shard.queues()) > max(queues)
    with snapshot(tmp_path / "spool", 0) as read:
        assert read is not None
        assert [row.seq for row in read.journal_after(0, 10)] == [3]
    await shard.close()


async def test_an_allowance_is_never_exceeded_also_after_a_restart(
    shard: Shard, tmp_path: Path
) -> None:
    """M1, where it is counted."""

    async def ask(day: int, block: int, limit: int = 100) -> int:
        grant = await shard.reserve("127.0.0.2", "google", day, block, limit)
        asked[day] = grant.used
        return grant.messages

    asked: dict[int, int] = {}
    takers = await asyncio.gather(*(ask(20_000, 1) for _ in range(200)))  # more than there are
    assert (sum(takers), takers.count(0), asked[20_000]) == (100, 100, 100)
    for other in (("127.0.0.3", "google"), ("127.0.0.2", "microsoft"), ("127.0.0.2", "")):
        assert await shard.reserve(*other, 20_000, 5, limit=100) == Grant(5, 5)
    shard = await reopened(shard, tmp_path)
    assert await ask(20_000, 1) == 0
    assert await ask(20_001, 70) == 70
    assert await ask(20_000, 70) == 30, "the day went back and began anew"
    assert await ask(20_001, 5, limit=60) == 0, "the limit was lowered in mid-day"
    await shard.close()


async def test_who_engaged_at_different_times_waits_in_queues_of_their_own(shard: Shard) -> None:
    """So the engine finds the most recently engaged without reading past all others."""
    rows = [
        MessageRow(n, "x.example", NINE, pack(Recipient("a@x.example")), tier, 1_000 * tier)
        for n, tier in enumerate((5, 1, 5))
    ]
    of_three = batch(["a@x.example"] * 3)
    await shard.append(pack(msgspec.structs.replace(of_three, messages=rows)))
    queues = (await shard.queues()).values()
    waiting = {
        queue.key.tier: [(m.message_id, m.bucket) for m in await shard.due(queue.queue_id, FAR, 9)]
        for queue in queues
    }
    assert waiting == {1: [(2, 1_000)], 5: [(1, 5_000), (3, 5_000)]}


async def test_trimming_takes_what_is_told_and_no_more(shard: Shard, tmp_path: Path) -> None:
    for _ in range(450):
        await shard.append(pack(batch(suppressed=[0])))
    await shard.trim(440)
    assert shard.status().journal_rows == 10
    with snapshot(tmp_path / "spool", 0) as read:
        assert read is not None
        rows = read.journal_after(0, 100)
        assert [row.seq for row in read.journal_after(445, 2)] == [446, 447]
    assert [row.seq for row in rows] == list(range(441, 451))
    assert all(row.kind == JournalKind.INJECTION and row.base_id == row.seq for row in rows)
    assert unpacker(Injection).decode(rows[0].payload).recipients[0].rcpt_to == "ani@gmail.com"


async def test_large_batches_let_small_ones_through(shard: Shard) -> None:
    await shard.append(pack(batch()))
    many = pack(batch([f"user{n}@x.example" for n in range(5_000)]))
    order: list[str] = []

    async def append(name: str, data: bytes) -> None:
        await shard.append(data)
        order.append(name)

    await asyncio.gather(*(append("large", many) for _ in range(4)), append("small", pack(batch())))
    assert "small" in order[:2]


async def test_a_shard_has_one_writer(shard: Shard, tmp_path: Path) -> None:
    """D9, D10: another worker is not even handed the messages, so it cannot send them too."""
    await shard.append(pack(batch()))
    second = Shard(tmp_path / "spool", 0, SystemClock(), reserve_bytes=0)
    with pytest.raises(ShardInUse, match="another process writes to shard 00"):
        await second.append(pack(batch()))
    with pytest.raises(ShardInUse):
        await second.queues()
    with pytest.raises(ShardInUse):
        await second.due(1, FAR, 10)
    await second.close()
    assert len(await everything(shard)) == 1


def test_of_workers_that_claim_a_shard_at_once_one_gets_it(tmp_path: Path) -> None:
    """D10: 10,000 times. Who has the shard sends its messages, so each goes out once."""
    start, claimed = threading.Barrier(2, timeout=30), threading.Barrier(2, timeout=30)
    won: list[int] = []

    def claim() -> None:
        for number in range(10_000):
            start.wait()
            lock = None
            with contextlib.suppress(ShardInUse):
                lock = ShardLock(tmp_path, 0)
                won.append(number)
            claimed.wait()
            if lock is not None:
                lock.release()

    with ThreadPoolExecutor(2) as pool:
        for worker in [pool.submit(claim) for _ in range(2)]:
            worker.result()
    assert won == list(range(10_000))


async def test_a_closed_shard_refuses(shard: Shard) -> None:
    await shard.append(pack(batch()))
    await shard.close()
    with pytest.raises(SpoolUnavailable, match="closed"):
        await shard.append(pack(batch()))


async def test_a_file_of_a_newer_version_is_left_alone(shard: Shard, tmp_path: Path) -> None:
    await shard.append(pack(batch()))
    await shard.close()
    with sqlite3.connect(tmp_path / "spool" / "00.sqlite3") as db:
        db.execute("PRAGMA user_version = 99")
    again = Shard(tmp_path / "spool", 0, SystemClock())
    with pytest.raises(SpoolUnavailable, match="layout 99"):
        await again.append(pack(batch()))
    await again.close()


def test_housekeeping_drops_old_keys_and_empty_queues(tmp_path: Path) -> None:
    clock = MovableClock()
    store = Store(tmp_path, 0, clock, reserve_bytes=0, cache_bytes=MEGABYTE)

    def counted(table: str) -> int:
        with snapshot(tmp_path, 0) as read:
            assert read is not None
            found: int = read._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            return found

    keyed = [Append((pack(batch(["a@x.example"], key=f"k{n}")),)) for n in range(PURGE_KEYS + 50)]
    store.commit(keyed)
    clock.wall += KEY_LIFE_MS
    store.commit([Append((pack(batch(["b@y.example"], key="young")),))])
    assert store.commit([Sweep()]).answers == [False]
    assert (counted("idempotency"), counted("queue")) == (PURGE_KEYS + 51, 2)
    clock.wall += 1
    assert store.commit([Sweep()]).answers == [True], "a step at a time"
    assert store.commit([Sweep()]).answers == [False]
    assert counted("idempotency") == 1
    settled = list(range(1, PURGE_KEYS + 51))
    store.commit([Settle(settled, [], [])])
    store.commit([Sweep()])
    store.forget_empty_queues()
    assert counted("queue") == 1
    assert [queue.key.domain for queue in store.queues().values()] == ["y.example"]
    store.commit([Append((pack(batch(["c@x.example"])),))])
    assert sorted(queue.key.domain for queue in store.queues().values()) == [
        "x.example",
        "y.example",
    ]
    store.close()


async def test_the_nonce_is_the_files_own(shard: Shard, tmp_path: Path) -> None:
    with pytest.raises(SpoolUnavailable, match="not open yet"):
        print(shard.nonce)
    await shard.append(pack(batch()))
    nonce = shard.nonce
    assert re.fullmatch("[0-9a-f]{8}", nonce)
    shard = await reopened(shard, tmp_path)
    await shard.queues()
    assert shard.nonce == nonce
    await shard.close()
