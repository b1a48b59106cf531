"""D5 to D8: a disk that is full, locked, broken; refused in time, nothing lost, back by itself."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from merpati.adapters.clock import SystemClock
from merpati.adapters.codec import pack
from merpati.spool import schema
from merpati.spool.errors import ContentUnreadable, SpoolFull, SpoolUnavailable
from merpati.spool.shapes import Grant, Postponed
from merpati.spool.shard import Shard
from tests.spool.samples import LARGE, addresses, batch, delivered, everything, settled_in_journal

MEGABYTE = 1 << 20
LIMIT_SECONDS = 15.0

T = TypeVar("T")
Arm = Callable[[str], None]


async def eventually(attempt: Callable[[], Awaitable[T]]) -> T:
    """Try until it is not refused, within the limit."""
    give_up_at = time.monotonic() + LIMIT_SECONDS
    while True:
        try:
            return await attempt()
        except SpoolUnavailable:
            if time.monotonic() > give_up_at:
                raise
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param("spool.append.before_insert=full", id="D5 full at the first write"),
        pytest.param("spool.append.before_commit=error", id="read error before the commit"),
        pytest.param("spool.commit=error", id="D8 the sync fails"),
    ],
)
async def test_a_failed_write_refuses_the_group_and_heals(
    shard: Shard, arm: Arm, plan: str
) -> None:
    await shard.append(pack(batch(["kept@x.example"])))
    store_before = shard._writer.store
    arm(plan)
    refused = await asyncio.gather(
        *(shard.append(pack(batch([f"no{n}@x.example"]))) for n in range(5)),
        shard.reserve("127.0.0.2", "", 20_000, 10, 10),
        return_exceptions=True,
    )
    assert all(isinstance(one, SpoolUnavailable) for one in refused)
    with pytest.raises(SpoolUnavailable, match="fault point"):
        await shard.due(1, 1 << 60, 10)  # D7: what cannot be settled is not handed out either
    assert "fault point" in shard.status().trouble
    assert (shard.status().waiting, shard.queue_key(1).domain) == (1, "x.example")
    assert shard.nonce
    arm("")
    await eventually(lambda: shard.append(pack(batch(["later@x.example"]))))
    assert shard._writer.store is not store_before, "a connection whose sync failed was used again"
    assert await addresses(shard) == ["kept@x.example", "later@x.example"]
    assert await shard.reserve("127.0.0.2", "", 20_000, 10, 10) == Grant(10, 10)
    assert shard.status().trouble == ""


async def test_a_body_that_cannot_be_read_is_no_trouble_of_the_shard(
    shard: Shard, tmp_path: Path
) -> None:
    await shard.append(pack(batch(["a@x.example"], content=b"b" * LARGE)))
    body = tmp_path / "spool" / "00" / "1"
    body.rename(tmp_path / "aside")
    answers = await asyncio.gather(shard.next_due_at(1, 0), shard.contents([1, 9]))
    assert isinstance(answers[0], int)
    unreadable, gone = answers[1][1], answers[1][9]
    assert isinstance(unreadable, ContentUnreadable)
    assert gone is None
    assert shard.status().trouble == ""
    (tmp_path / "aside").rename(body)
    assert await shard.contents([1]) == {1: b"b" * LARGE}


async def test_a_failed_settle_keeps_message_and_journal_as_they_were(
    shard: Shard, arm: Arm, tmp_path: Path
) -> None:
    await shard.append(pack(batch(["a@x.example", "b@x.example"])))
    before = await everything(shard)
    arm("spool.settle.before_commit=error")
    with pytest.raises(SpoolUnavailable):
        await shard.settle([1], [Postponed(2, 1 << 50)], [delivered(1)])
    arm("")
    assert await eventually(lambda: everything(shard)) == before
    assert settled_in_journal(tmp_path / "spool") == []
    await shard.settle([1], [Postponed(2, 1 << 50)], [delivered(1)])
    assert settled_in_journal(tmp_path / "spool") == [1]


async def test_a_settle_durable_but_refused_may_be_repeated(
    shard: Shard, arm: Arm, tmp_path: Path
) -> None:
    await shard.append(pack(batch()))
    arm("spool.settle.after_commit=error")
    with pytest.raises(SpoolUnavailable):
        await shard.settle([1], [], [delivered(1)])
    arm("")
    await eventually(lambda: shard.settle([1], [], [delivered(1)]))
    assert settled_in_journal(tmp_path / "spool") == [1]
    assert shard.status().waiting == 0


@pytest.mark.parametrize("point", ["before_fsync", "before_rename", "after_rename"])
async def test_a_body_that_cannot_be_written_leaves_no_file(
    shard: Shard, arm: Arm, tmp_path: Path, point: str
) -> None:
    large = pack(batch(["a@x.example"], content=b"b" * LARGE))
    arm(f"spool.body.{point}=full")
    with pytest.raises(SpoolUnavailable, match="fault point"):
        await shard.append(large)
    arm("")
    await eventually(lambda: shard.append(pack(batch())))
    assert [p.name for p in (tmp_path / "spool" / "00").iterdir()] == []
    assert len(await everything(shard)) == 1


async def test_what_waits_is_announced_when_the_shard_is_back(shard: Shard, arm: Arm) -> None:
    await shard.append(pack(batch(["a@x.example", "b@x.example"])))
    heard: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
    shard.on_due = lambda told: heard.put_nowait((told.queue_id, told.count))
    arm("spool.commit=error")
    with pytest.raises(SpoolUnavailable):
        await shard.append(pack(batch(["c@x.example"])))
    arm("")
    assert await asyncio.wait_for(heard.get(), LIMIT_SECONDS) == (1, 2)


async def test_a_locked_file_refuses_within_its_deadline(
    shard: Shard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D6."""
    monkeypatch.setattr(schema, "BUSY_TIMEOUT_MS", 300)
    await shard.append(pack(batch(["first@x.example"])))
    operator = sqlite3.connect(tmp_path / "spool" / "00.sqlite3", isolation_level=None)
    operator.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    refused = await asyncio.gather(
        *(shard.append(pack(batch(["no@x.example"]))) for _ in range(8)), return_exceptions=True
    )
    assert all(isinstance(one, SpoolUnavailable) for one in refused)
    assert "locked" in str(refused[0])
    assert time.monotonic() - begun < 3
    operator.execute("ROLLBACK")
    operator.close()
    await eventually(lambda: shard.append(pack(batch(["second@x.example"]))))
    assert await addresses(shard) == ["first@x.example", "second@x.example"]


async def test_who_waited_too_long_is_refused_and_not_done_late(tmp_path: Path, arm: Arm) -> None:
    """D6: a caller that was told "try again" must not find its mail accepted all the same."""

    class Clock(SystemClock):
        ahead = 0.0

        def elapsed(self) -> float:
            return super().elapsed() + self.ahead

    clock = Clock()
    shard = Shard(tmp_path / "spool", 0, clock, reserve_bytes=0)
    await shard.append(pack(batch(["first@x.example"])))
    arm("spool.commit=sleep:0.3")
    slow = asyncio.create_task(shard.append(pack(batch(["slow@x.example"]))))
    await asyncio.sleep(0.1)
    late = asyncio.create_task(shard.append(pack(batch(["late@x.example"]))))
    await asyncio.sleep(0)
    clock.ahead = 60.0
    await slow
    arm("")
    with pytest.raises(SpoolUnavailable, match="too slow"):
        await late
    assert await addresses(shard) == ["first@x.example", "slow@x.example"]
    await shard.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 64 MB and 64 files."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=64", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs root, to mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


@contextlib.asynccontextmanager
async def shard_on(disk: Path, reserve_bytes: int) -> AsyncIterator[Shard]:
    shard = Shard(disk / "spool", 0, SystemClock(), reserve_bytes=reserve_bytes)
    try:
        yield shard
    finally:
        await shard.close()


async def fill(shard: Shard) -> tuple[list[int], SpoolUnavailable]:
    """Append 100 KB batches until refused; return the accepted ids and the refusal."""
    accepted = []
    for n in itertools.count():
        try:
            one = await shard.append(pack(batch([f"u{n}@x.example"], content=os.urandom(100_000))))
        except SpoolUnavailable as error:
            return accepted, error
        accepted.append(one.base_id)
    raise AssertionError


async def test_below_the_reserve_mail_goes_out_but_not_in(small_disk: Path) -> None:
    async with shard_on(small_disk, reserve_bytes=24 * MEGABYTE) as shard:
        accepted, refusal = await fill(shard)
        assert isinstance(refusal, SpoolFull)
        assert shard.status().below_reserve
        assert {one.message_id for one in await everything(shard)} == set(accepted)
        await shard.settle(accepted, [], [delivered(n) for n in accepted])
        assert await everything(shard) == []
        # The file keeps its size, its free pages count: acceptance comes back by itself.
        await eventually(lambda: shard.append(pack(batch())))
        assert not shard.status().below_reserve


async def test_a_full_disk_loses_nothing_accepted(small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 20 * MEGABYTE)
    async with shard_on(small_disk, reserve_bytes=0) as shard:
        accepted, refusal = await fill(shard)
        assert not isinstance(refusal, SpoolFull)
        assert shard.status().trouble or str(refusal)
        filler.unlink()
        await eventually(lambda: shard.append(pack(batch(["after@x.example"]))))
        ids = [one.message_id for one in await everything(shard)]
        assert ids[:-1] == accepted


async def test_without_room_for_another_file_nothing_is_lost(small_disk: Path) -> None:
    """D5: inodes run out before the space does, and a large body needs one."""
    large = pack(batch(["large@x.example"], content=b"b" * LARGE))
    async with shard_on(small_disk, reserve_bytes=0) as shard:
        await shard.append(large)
        fillers = [small_disk / f"filler{n}" for n in range(64)]
        with contextlib.suppress(OSError):
            for filler in fillers:
                filler.touch()
        with pytest.raises(SpoolUnavailable, match="No space left"):
            await shard.append(large)
        for filler in fillers:
            filler.unlink(missing_ok=True)
        await eventually(lambda: shard.append(pack(batch(["after@x.example"]))))
        assert await addresses(shard) == ["after@x.example", "large@x.example"]


async def test_a_read_only_disk_takes_nothing_until_it_is_writable(small_disk: Path) -> None:
    """D5: as the kernel leaves a disk that failed."""
    async with shard_on(small_disk, reserve_bytes=0) as shard:
        await shard.append(pack(batch(["before@x.example"])))
    remount(small_disk, "ro")
    async with shard_on(small_disk, reserve_bytes=0) as shard:
        with pytest.raises(SpoolUnavailable, match="Read-only"):
            await shard.append(pack(batch(["refused@x.example"])))
        assert "Read-only" in shard.status().trouble
        remount(small_disk, "rw")
        await eventually(lambda: shard.append(pack(batch(["after@x.example"]))))
        assert await addresses(shard) == ["after@x.example", "before@x.example"]
