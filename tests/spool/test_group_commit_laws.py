"""Any sequence of groups leaves on disk what a simple model says, also after reopening."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from merpati.adapters.clock import SystemClock
from merpati.adapters.codec import pack
from merpati.contracts.batch import Accepted
from merpati.spool import draft
from merpati.spool.errors import IdempotencyConflict
from merpati.spool.reading import HOUR_MS, snapshot
from merpati.spool.shapes import Grant, Postponed
from merpati.spool.shard import Shard
from tests.spool.samples import NINE, batch, delivered, everything, settled_in_journal

IN_ROW = 3  # bytes of content kept in a row here, so that short ones make files too
DOMAINS = ("gmail.com", "x.example", "y.example")


@dataclass
class Row:
    key: tuple[int, int, str]
    due_at: int
    injected_at: int
    content: bytes
    attempts: int = 0
    last_ip: str = ""


@dataclass
class Model:
    """What a shard is to hold, in plain dictionaries, one operation after the other."""

    rows: dict[int, Row] = field(default_factory=dict)
    keys: dict[tuple[int, str], tuple[bytes, Accepted]] = field(default_factory=dict)
    granted: Counter[tuple[str, str]] = field(default_factory=Counter)
    settled: list[int] = field(default_factory=list)
    next_id: int = 1

    def append(self, sent: Any) -> Any:
        if sent.idempotency_key is not None:
            used = self.keys.get((sent.account_id, sent.idempotency_key))
            if used is not None:
                return used[1] if used[0] == sent.fingerprint else IdempotencyConflict
        base_id, self.next_id = self.next_id, self.next_id + sent.size
        for row in sent.messages:
            key = (sent.account_id, sent.pool_id, row.domain)
            self.rows[base_id + row.index] = Row(key, row.due_at, sent.injected_at, sent.content)
        if sent.idempotency_key is not None:
            again = Accepted(base_id, repeated=True, reply=sent.reply)
            self.keys[sent.account_id, sent.idempotency_key] = (sent.fingerprint, again)
        return Accepted(base_id)

    def settle(self, settled: list[int], postponed: list[Postponed]) -> None:
        for message_id in settled:
            if self.rows.pop(message_id, None) is not None:
                self.settled.append(message_id)
        for one in postponed:
            if (row := self.rows.get(one.message_id)) is not None:
                row.due_at = one.due_at
                row.attempts += one.attempted
                row.last_ip = row.last_ip if one.last_ip is None else one.last_ip

    def reserve(self, sending_ip: str, provider: str, block: int, limit: int) -> Grant:
        used = self.granted[sending_ip, provider]
        grant = max(0, min(block, limit - used))
        self.granted[sending_ip, provider] += grant
        return Grant(grant, used + grant)


batches = st.builds(
    lambda people, **rest: batch([f"u@{domain}" for domain in people], **rest),
    st.lists(st.sampled_from(DOMAINS), min_size=1, max_size=6),
    key=st.none() | st.sampled_from("kl"),
    fingerprint=st.sampled_from([b"f", b"f", b"g"]),
    reply=st.binary(max_size=3),
    account_id=st.sampled_from([1, 2]),
    pool_id=st.sampled_from([1, 2]),
    due_at=st.integers(NINE, NINE + 3),
    injected_at=st.sampled_from([NINE, NINE + HOUR_MS]),
    content=st.binary(max_size=2 * IN_ROW),
    suppressed=st.sets(st.integers(0, 5)),
)
# Messages are chosen by a number that is only later taken as the place among all ids given so far.
chosen = st.lists(st.integers(0, 1_000), max_size=5, unique=True)
settles = st.tuples(
    st.just("settle"),
    chosen,
    chosen,
    st.integers(NINE, NINE + 5),
    st.booleans(),
    st.none() | st.sampled_from(["127.0.0.2", "127.0.0.3"]),
)
reserves = st.tuples(
    st.just("reserve"),
    st.sampled_from(["127.0.0.2", "127.0.0.3"]),
    st.sampled_from(["", "google"]),
    st.integers(0, 9),
    st.integers(0, 20),
)
appends = st.tuples(st.just("append"), batches)
groups = st.lists(appends | settles | reserves, min_size=1, max_size=8)
histories = st.lists(groups | st.just("reopen"), min_size=1, max_size=8)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_a_shard_holds_what_the_model_says(history: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, patch.object(draft, "INLINE_LIMIT", IN_ROW):
        asyncio.run(_play(history, Path(folder)))


async def _play(history: list[Any], folder: Path) -> None:
    def opened() -> Shard:
        return Shard(folder, 0, SystemClock(), reserve_bytes=0)

    model, shard = Model(), opened()
    for step in [*history, "reopen"]:
        if step == "reopen":
            await shard.close()
            shard = opened()
        else:
            await _do(step, model, shard)
        await _compare(model, shard, folder)
    await shard.close()


async def _do(group: list[Any], model: Model, shard: Shard) -> None:
    """Do a group's operations at once, and in the model one after the other."""
    highest = model.next_id - 1
    calls: list[Awaitable[Any]] = []
    expected: list[Any] = []
    for kind, *what in group:
        if kind == "append":
            calls.append(shard.append(pack(what[0])))
            expected.append(model.append(what[0]))
        elif kind == "reserve":
            calls.append(shard.reserve(what[0], what[1], 20_000, what[2], what[3]))
            expected.append(model.reserve(*what))
        elif highest:
            call, mirror = _settle(highest, *what)
            calls.append(call(shard))
            mirror(model)
            expected.append(None)
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer, want in zip(answers, expected, strict=True):
        assert answer == want or (want is IdempotencyConflict and isinstance(answer, want))


def _settle(
    highest: int, first: list[int], second: list[int], due_at: int, attempted: bool, ip: str | None
) -> tuple[Callable[[Shard], Awaitable[None]], Callable[[Model], None]]:
    settled = sorted({1 + n % highest for n in first})
    staying = sorted({1 + n % highest for n in second} - set(settled))
    postponed = [Postponed(n, due_at, attempted, ip) for n in staying]
    events = [delivered(n) for n in settled]
    return (
        lambda shard: shard.settle(settled, postponed, events),
        lambda model: model.settle(settled, postponed),
    )


async def _compare(model: Model, shard: Shard, folder: Path) -> None:
    messages = await everything(shard)
    assert {one.message_id for one in messages} == set(model.rows)
    assert len(messages) == len(model.rows) == shard.status().waiting
    contents: dict[int, int] = {}
    for one in messages:
        row = model.rows[one.message_id]
        key = shard.queue_key(one.queue_id)
        assert (key.account_id, key.pool_id, key.domain) == row.key
        assert (one.due_at, one.attempts, one.last_ip) == (row.due_at, row.attempts, row.last_ip)
        contents.setdefault(one.content_id, one.message_id)
    for content_id, message_id in contents.items():
        expected = model.rows[message_id].content
        assert await shard.contents([content_id]) == {content_id: expected}
    queues = (await shard.queues()).values()
    counted = {(q.key.account_id, q.key.pool_id, q.key.domain): q.count for q in queues}
    assert counted == Counter(row.key for row in model.rows.values())
    _compare_on_disk(model, folder, set(contents))


def _compare_on_disk(model: Model, folder: Path, contents: set[int]) -> None:
    with snapshot(folder, 0) as read:
        if read is None:
            assert model.next_id == 1
            return
        waiting = Counter((row.key[0], row.injected_at // HOUR_MS) for row in model.rows.values())
        assert read.waiting() == waiting
        kept = read._db.execute("SELECT id, in_file FROM content").fetchall()
        bodies = read._db.execute("SELECT content_id FROM body").fetchall()
    in_files = {content_id for content_id, in_file in kept if in_file}
    assert {content_id for content_id, _ in kept} == contents
    assert {content_id for (content_id,) in bodies} == contents - in_files
    assert {int(path.name) for path in folder.glob("00/*")} == in_files
    assert sorted(settled_in_journal(folder)) == sorted(model.settled)
