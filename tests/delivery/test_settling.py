"""When outcomes are stored: with the commit of new mail, where some comes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from merpati.adapters.clock import SystemClock
from merpati.adapters.codec import pack
from merpati.contracts.event import Event
from merpati.delivery import settling
from merpati.delivery.feed import ShardFeeds
from merpati.delivery.settling import Settler
from merpati.spool.operations import Operation
from merpati.spool.shard import Shard
from merpati.spool.store import Store
from tests.spool.samples import batch, delivered

LONG = 60.0  # seconds; no test here waits for it


@asynccontextmanager
async def settling_for(shard: Shard, stored: list[Event]) -> AsyncIterator[Settler]:
    """Give the settler of a shard; what it stored is added to a list."""

    def keep(events: Sequence[Event]) -> None:
        stored.extend(events)

    feeds = ShardFeeds(shard, SystemClock(), _drop, _nothing, _nothing, keep=_nothing)
    settler = Settler(feeds, LONG, 1_000, _nothing, keep)
    running = asyncio.create_task(settler.run())
    try:
        yield settler
        settler.finish()
        await running
    finally:
        running.cancel()
        await shard.close()


def _nothing(*_: object) -> None:
    """Nobody delivers here."""


def _drop(work: Coroutine[Any, Any, None]) -> None:
    work.close()


class Commits:
    """The names of the operations of each commit; none is made while `may_go` is not set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[list[str]] = []
        self.may_go = threading.Event()
        self.may_go.set()
        commit = Store.commit

        def seeing(store: Store, operations: Sequence[Operation]) -> object:
            self.may_go.wait(5)
            self.seen.append([type(one).__name__ for one in operations])
            return commit(store, operations)

        monkeypatch.setattr(Store, "commit", seeing)


async def test_outcomes_ride_with_the_commit_of_new_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "RIDES_AFTER", 0.0)
    commits = Commits(monkeypatch)
    shard = Shard(tmp_path, 1, SystemClock())
    stored: list[Event] = []
    async with settling_for(shard, stored) as settler:
        first = await shard.append(pack(batch(["ani@x.example"])))
        commits.may_go.clear()
        async with asyncio.TaskGroup() as appending:
            appending.create_task(shard.append(pack(batch(["citra@z.example"]))))
            await asyncio.sleep(0)  # the writer has work, so what follows is one group
            settler.settle(first.base_id, delivered(first.base_id))
            appending.create_task(shard.append(pack(batch(["budi@y.example"]))))
            await asyncio.sleep(0)
            commits.may_go.set()
        assert commits.seen[-1][-2:] == ["Settle", "Append"]
        domains = {depth.key.domain for depth in (await shard.queues()).values()}
        assert domains == {"y.example", "z.example"}
    assert [event.message_id for event in stored] == [first.base_id]  # once


async def test_fresh_outcomes_wait_for_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = Commits(monkeypatch)
    shard = Shard(tmp_path, 1, SystemClock())
    stored: list[Event] = []
    async with settling_for(shard, stored) as settler:
        first = await shard.append(pack(batch(["ani@x.example"])))
        settler.settle(first.base_id, delivered(first.base_id))
        await shard.append(pack(batch(["budi@y.example"])))
        assert commits.seen == [["Append"], ["Append"]]
        assert not stored
    assert [event.message_id for event in stored] == [first.base_id]  # it finished
