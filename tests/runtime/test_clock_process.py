"""The clock process by itself: it records what the shards hold, publishes, and stops clean."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from harness import programs
from harness.service import wait_until
from merpati.adapters.clock import SystemClock
from merpati.adapters.codec import pack, unpack_any
from merpati.adapters.rpc import RpcClient, RpcUnavailable
from merpati.contracts.batch import Batch, MessageRow, Recipient
from merpati.contracts.event import EventType, Settlement
from merpati.events.search import Wanted
from merpati.events.store import reading
from merpati.runtime.paths import DataFolder
from merpati.spool.shard import Shard
from tests.support.control import run_script
from tests.support.journal import NINE_O_CLOCK, event, injection
from tests.support.prepared import made


class ClockProcess:
    """One clock process on a data folder of its own."""

    def __init__(self, folder: DataFolder) -> None:
        self.folder = folder
        environment = {name: v for name, v in os.environ.items() if "DJANGO" not in name}
        self.process = programs.start_main(
            "merpati.runtime.clock", "--data", str(folder.root), environment=environment
        )
        wait_until(lambda: self.status() is not None, "the clock to answer", 30)

    def status(self) -> dict[str, Any] | None:
        try:
            answer = RpcClient(self.folder.clock_socket).call("status", b"")
        except RpcUnavailable:
            return None
        found: dict[str, Any] = unpack_any(answer)
        return found

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return made(tmp_path)


@pytest.fixture
def started() -> Iterator[list[ClockProcess]]:
    clocks: list[ClockProcess] = []
    yield clocks
    for clock in clocks:
        clock.process.kill()
        clock.process.wait()


def accept_one(folder: DataFolder) -> None:
    """Put one accepted message into a shard, as a worker would, and let go of it."""

    async def accept() -> None:
        shard = Shard(folder.spool, 1, SystemClock())
        told = injection("a@x.example")
        batch = Batch(1, "7000", 1, 1, NINE_O_CLOCK, 1, pack({}), [], pack(told))
        await shard.append(pack(batch))
        await shard.close()

    asyncio.run(accept())


def bounce_one(folder: DataFolder) -> None:
    """Put an accepted message that then bounced for good into a shard."""

    async def bounce() -> None:
        shard = Shard(folder.spool, 1, SystemClock())
        rows = [MessageRow(0, "x.example", NINE_O_CLOCK, pack(Recipient("a@x.example")))]
        told = pack(injection("a@x.example"))
        batch = Batch(1, "7000", 1, 1, NINE_O_CLOCK, 1, pack({}), rows, told)
        accepted = await shard.append(pack(batch))
        bounced = event(
            accepted.base_id,
            EventType.BOUNCE,
            rcpt_to="a@x.example",
            settlement=Settlement.BOUNCED,
            bounce_class=10,
        )
        await shard.settle([accepted.base_id], [], [bounced])
        await shard.close()

    asyncio.run(bounce())


def recorded(folder: DataFolder) -> int:
    with reading(folder.events) as db:
        return len(Wanted().newest(db, 100))


def test_it_records_what_the_shards_hold(folder: DataFolder, started: list[ClockProcess]) -> None:
    started.append(ClockProcess(folder))
    accept_one(folder)
    told = {"recorded": 1, "trouble": ""}
    wait_until(lambda: started[0].status() == told, "the event", 10)
    assert recorded(folder) == 1
    assert os.getpriority(os.PRIO_PROCESS, started[0].process.pid) == 10


def test_it_stores_what_was_written_last_before_it_stops(
    folder: DataFolder, started: list[ClockProcess]
) -> None:
    started.append(ClockProcess(folder))
    accept_one(folder)
    assert started[0].stop() == 0
    assert recorded(folder) == 1


def test_it_waits_for_a_sick_store_and_goes_on_by_itself(
    folder: DataFolder, started: list[ClockProcess]
) -> None:
    folder.events.mkdir()  # no file can be opened there
    started.append(ClockProcess(folder))
    accept_one(folder)
    wait_until(lambda: (started[0].status() or {}).get("trouble"), "the trouble", 10)
    folder.events.rmdir()
    wait_until(lambda: recorded(folder) == 1, "the event", 10)
    wait_until(lambda: not (started[0].status() or {})["trouble"], "all to be well", 10)


def test_it_publishes_a_policy_that_is_missing(
    folder: DataFolder, started: list[ClockProcess]
) -> None:
    started.append(ClockProcess(folder))
    folder.policy.unlink()
    wait_until(folder.policy.exists, "the policy", 5)


def test_it_suppresses_whom_a_bounce_names(folder: DataFolder, started: list[ClockProcess]) -> None:
    make = "from merpati.accounts.actions import create_account\n"
    run_script(folder.root, make + "create_account('a', 'premium', 'uk', by=BY, now=NOW)")
    bounce_one(folder)
    started.append(ClockProcess(folder))

    def suppressed() -> list[str]:
        with closing(sqlite3.connect(folder.control)) as control:
            rows = control.execute("SELECT recipient FROM sending_suppression").fetchall()
        return [recipient for (recipient,) in rows]

    wait_until(lambda: suppressed() == ["a@x.example"] * 2, "the entries", 10)
