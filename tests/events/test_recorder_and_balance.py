"""Recorder and balance over real shards: nothing counted twice, nothing forgotten."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from merpati.adapters import codec
from merpati.adapters.clock import SystemClock
from merpati.contracts.batch import Batch, Content, Mailbox, MessageRow, Recipient
from merpati.contracts.event import Event, EventType, InjectedRecipient, Settlement
from merpati.events.balance import BalanceRow, balance
from merpati.events.digest import Tallies
from merpati.events.recorder import Recorder
from merpati.events.search import Wanted
from merpati.events.store import Cursor, reading, stored
from merpati.spool.errors import SpoolUnavailable
from merpati.spool.shapes import Postponed
from merpati.spool.shard import Shard
from tests.support.journal import HOUR, NINE_O_CLOCK, injection

SHARDS = (0, 5)
HOURS = [NINE_O_CLOCK, NINE_O_CLOCK + HOUR]
MODEL_ROUNDS = 40


class Engine:
    """Real shards with accepted mail, and what a bookkeeper noted of it."""

    def __init__(self, folder: Path) -> None:
        self.spool, self.events = folder / "spool", folder / "events.sqlite3"
        self.shards = {n: Shard(self.spool, n, SystemClock()) for n in SHARDS}
        self.books: Counter[tuple[int, int, str]] = Counter()
        self.waiting: list[tuple[int, int, int, int]] = []  # shard, message, account, injected_at

    async def accept(self, shard: int, injected_at: int, sent: int, suppressed: int = 0) -> None:
        """Accept one batch; each shard has the one account of its number."""
        recipients = [InjectedRecipient(f"u{n}@x.example") for n in range(sent)]
        recipients += [
            InjectedRecipient(f"s{n}@x.example", suppressed_by="Bounce Rule")
            for n in range(suppressed)
        ]
        told = injection(*recipients, account_id=shard, injected_at=injected_at)
        content = Content(
            account_id=shard,
            transmission_id="7000",
            injected_at=injected_at,
            pool_id=1,
            ip_pool="default",
            sending_domain="kirim.example",
            sender=Mailbox("toko@kirim.example"),
            subject="Pesanan",
        )
        batch = Batch(
            account_id=shard,
            transmission_id="7000",
            pool_id=1,
            policy_version=1,
            injected_at=injected_at,
            size=len(recipients),
            content=codec.pack(content),
            messages=[
                MessageRow(n, "x.example", injected_at, codec.pack(Recipient(f"u{n}@x.example")))
                for n in range(sent)
            ],
            injection=codec.pack(told),
        )
        accepted = await self.shards[shard].append(codec.pack(batch))
        self.waiting += [(shard, accepted.base_id + n, shard, injected_at) for n in range(sent)]
        self.books[shard, injected_at, "accepted"] += sent + suppressed
        self.books[shard, injected_at, "suppressed"] += suppressed

    async def settle(self, count: int, settlement: Settlement | None) -> None:
        """Let messages end in some way, or be put off (None)."""
        for shard in SHARDS:
            some = [one for one in self.waiting if one[0] == shard][:count]
            events = [
                Event(
                    EventType.DELAY if settlement is None else EventType.BOUNCE,
                    at=injected_at + 1,
                    account_id=account,
                    message_id=message,
                    transmission_id="7000",
                    injected_at=injected_at,
                    rcpt_to="u@x.example",
                    settlement=settlement,
                )
                for _, message, account, injected_at in some
            ]
            ids = [message for _, message, _, _ in some]
            if settlement is None:
                put_off = [Postponed(message, NINE_O_CLOCK) for message in ids]
                await self.shards[shard].settle([], put_off, events)
                continue
            await self.shards[shard].settle(ids, [], events)
            self.waiting = [one for one in self.waiting if one not in some]
            for _, _, account, injected_at in some:
                self.books[account, injected_at, str(settlement)] += 1

    def expected(self) -> list[BalanceRow]:
        """Return the balance by the books."""
        waits = Counter((account, at) for _, _, account, at in self.waiting)
        hours = sorted({(account, at) for account, at, _ in self.books})
        names = ("accepted", *(str(settlement) for settlement in Settlement))
        return [
            BalanceRow(
                account,
                at // HOUR,
                *(self.books[account, at, name] for name in names),
                waiting=waits[account, at],
            )
            for account, at in hours
        ]

    def balance(self) -> list[BalanceRow]:
        return balance(self.events, self.spool)


class Workers:
    """Trims through the shards as the workers' socket does, unless they are down."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self._engine, self._loop = engine, loop
        self.are_down = False

    def trim(self, shard: int, seq: int) -> None:
        if self.are_down:
            raise SpoolUnavailable("the worker is down")
        asyncio.run_coroutine_threadsafe(self._engine.shards[shard].trim(seq), self._loop).result()


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    engine = Engine(tmp_path)
    yield engine
    for shard in engine.shards.values():
        await shard.close()


@pytest.fixture
async def workers(engine: Engine) -> Workers:
    return Workers(engine, asyncio.get_running_loop())


def record(engine: Engine, workers: Workers, steps: int = 1) -> int:
    """Run a recorder anew, as after a restart, for some steps."""
    with Recorder(engine.events, engine.spool, workers) as recorder:
        return sum(recorder.step() for _ in range(steps))


async def test_the_balance_is_exact_before_and_after_recording(
    engine: Engine, workers: Workers
) -> None:
    await engine.accept(0, NINE_O_CLOCK, sent=5, suppressed=2)
    await engine.settle(2, Settlement.DELIVERED)
    await engine.settle(1, None)
    (before,) = engine.balance()
    assert before.accepted == 7
    assert (before.delivered, before.suppressed, before.waiting) == (2, 2, 3)
    assert before.difference == 0
    assert await asyncio.to_thread(record, engine, workers) == 7 + 2 + 2 + 1
    assert engine.balance() == [before] == engine.expected()


async def test_what_is_stored_leaves_the_journal(engine: Engine, workers: Workers) -> None:
    await engine.accept(0, NINE_O_CLOCK, sent=3)
    await engine.settle(3, Settlement.DELIVERED)
    await asyncio.to_thread(record, engine, workers)
    assert engine.shards[0].status().journal_rows == 0


async def test_a_worker_that_is_down_delays_trimming_not_recording(
    engine: Engine, workers: Workers
) -> None:
    await engine.accept(0, NINE_O_CLOCK, sent=3)
    workers.are_down = True
    assert await asyncio.to_thread(record, engine, workers) == 3
    assert engine.shards[0].status().journal_rows == 1
    workers.are_down = False
    assert await asyncio.to_thread(record, engine, workers) == 0  # a new recorder: no new events
    assert engine.shards[0].status().journal_rows == 0
    assert engine.balance() == engine.expected()


async def test_events_come_out_once_however_often_the_recorder_starts(
    engine: Engine, workers: Workers
) -> None:
    workers.are_down = True  # the journal keeps everything: each start sees it all again
    for _ in range(4):
        await engine.accept(5, NINE_O_CLOCK, sent=2)
        await asyncio.to_thread(record, engine, workers)
    with reading(engine.events) as db:
        found = Wanted().newest(db, 100)
    assert len(found) == len({e["event_id"] for e in found}) == 8
    assert len({e["message_id"] for e in found}) == 8


async def test_a_backlog_is_recorded_in_steps_that_pass_over_no_shard(
    engine: Engine, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("merpati.events.recorder.STEP_EVENTS", 4)
    for shard in SHARDS:
        for _ in range(6):
            await engine.accept(shard, NINE_O_CLOCK, sent=3)

    def steps() -> list[int]:
        with Recorder(engine.events, engine.spool, workers) as recorder:
            return list(iter(recorder.step, 0))

    taken = await asyncio.to_thread(steps)
    assert sum(taken) == 36
    assert max(taken) <= 4 + 2  # the last record is taken whole
    assert engine.balance() == engine.expected()


async def test_a_record_nobody_can_read_stops_its_shard_alone(
    engine: Engine, workers: Workers
) -> None:
    """It stays in the journal: no event is dropped."""
    for shard in SHARDS:
        await engine.accept(shard, NINE_O_CLOCK, sent=2)
    with closing(sqlite3.connect(engine.spool / "00.sqlite3")) as db, db:
        db.execute("UPDATE journal SET payload = x'c1'")
    assert await asyncio.to_thread(record, engine, workers, 3) == 2
    assert engine.shards[0].status().journal_rows == 1


RECORD_TO_THE_END = """
import sys
from pathlib import Path
from merpati.events.recorder import Recorder
from merpati.spool.client import SpoolClient

folder = Path(sys.argv[1])
with Recorder(folder / "events.sqlite3", folder / "spool", SpoolClient(folder, 1)) as recorder:
    while recorder.step():
        pass
"""


@pytest.mark.parametrize("point", ["events.store.before_commit", "events.store.after_commit"])
async def test_a_recorder_killed_at_its_commit_goes_on_where_the_store_ends(
    engine: Engine, tmp_path: Path, point: str
) -> None:
    """D2 for the recorder: kill -9 before and after the write; nothing missing, nothing twice."""

    async def record_in_a_process(**environ: str) -> int:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", RECORD_TO_THE_END, str(tmp_path)),
            env=os.environ | environ,
        )
        return await process.wait()

    for _ in range(2):
        await engine.accept(0, NINE_O_CLOCK, sent=3, suppressed=1)
        await engine.settle(2, Settlement.DELIVERED)
        assert await record_in_a_process(MERPATI_FAULTS=f"{point}=kill") == -signal.SIGKILL
        assert engine.balance() == engine.expected()
    assert await record_in_a_process() == 0
    assert engine.balance() == engine.expected()
    with reading(engine.events) as db:
        kinds = Counter(e["type"] for e in Wanted().newest(db, 100))
    assert kinds == {"injection": 8, "bounce": 2 + 4}  # the engine of this test settles by bounces


async def test_a_lost_message_shows_as_a_difference(engine: Engine, workers: Workers) -> None:
    """The balance must be able to fail: here a message leaves the spool without an outcome."""
    await engine.accept(0, NINE_O_CLOCK, sent=3)
    await asyncio.to_thread(record, engine, workers)
    (_, message, _, _) = engine.waiting[0]
    await engine.shards[0].settle([message])
    (row,) = engine.balance()
    assert row.difference == 1


async def test_one_account_alone(engine: Engine) -> None:
    for shard in SHARDS:
        await engine.accept(shard, NINE_O_CLOCK, sent=1)
    found = balance(engine.events, engine.spool, account_id=5)
    assert [row.account_id for row in found] == [5]


@pytest.mark.parametrize("seed", range(3))
async def test_the_balance_equals_the_books_after_every_step(
    engine: Engine, workers: Workers, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accepting, settling, recording, recorders killed in the middle, workers down: any order."""
    chance = random.Random(seed)

    def killed(point: str) -> None:
        if point == "events.store.before_commit":
            raise OSError(5, point)

    for _ in range(MODEL_ROUNDS):
        match chance.randrange(6):
            case 0 | 1:
                sent, suppressed = chance.randrange(4), chance.randrange(2)
                if sent + suppressed:
                    shard, hour = chance.choice(SHARDS), chance.choice(HOURS)
                    await engine.accept(shard, hour, sent, suppressed)
            case 2 | 3:
                settlement = chance.choice([None, *Settlement])
                if settlement is not Settlement.SUPPRESSED:
                    await engine.settle(chance.randrange(1, 4), settlement)
            case 4:
                workers.are_down = chance.random() < 0.5
                await asyncio.to_thread(record, engine, workers)
            case 5:
                with monkeypatch.context() as patch:
                    patch.setattr("merpati.events.store.fault", killed)
                    with pytest.raises(OSError, match="before_commit"):
                        await engine.accept(0, NINE_O_CLOCK, 1)  # so that there is something
                        await asyncio.to_thread(record, engine, workers)
        assert engine.balance() == engine.expected()
        assert all(row.difference == 0 for row in engine.balance())


async def test_a_journal_trimmed_between_store_and_shard_is_read_again(
    engine: Engine, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.accept(0, NINE_O_CLOCK, sent=3)
    rounds = 0

    def stored_then_trimmed(db: sqlite3.Connection, shard: int) -> tuple[Cursor, Tallies]:
        nonlocal rounds
        found = stored(db, shard)
        if shard == 0:
            rounds += 1
            if rounds == 1:  # the worst moment: what we read is stored and trimmed behind our back
                record(engine, workers)
        return found

    monkeypatch.setattr("merpati.events.balance.stored", stored_then_trimmed)
    assert await asyncio.to_thread(engine.balance) == engine.expected()
    assert rounds == 2


async def test_the_balance_stays_exact_while_the_recorder_works(
    engine: Engine, workers: Workers
) -> None:
    """Read in a thread while mail comes, goes and is recorded: never a difference."""
    stop = asyncio.Event()

    async def record_all_the_time() -> None:
        while not stop.is_set():
            await asyncio.to_thread(record, engine, workers)

    async def watch() -> int:
        seen = 0
        while not stop.is_set():
            rows = await asyncio.to_thread(engine.balance)
            assert [row.difference for row in rows if row.difference] == []
            seen += 1
        return seen

    recording, watching = asyncio.create_task(record_all_the_time()), asyncio.create_task(watch())
    for _ in range(60):
        await engine.accept(5, NINE_O_CLOCK, sent=5, suppressed=1)
        await engine.settle(4, Settlement.DELIVERED)
    stop.set()
    assert await watching > 1
    await recording
    assert engine.balance() == engine.expected()
