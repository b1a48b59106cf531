"""D1, D2: kill -9 at each write point. A batch is whole or absent; what was answered is there."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.service import wait_until
from merpati.adapters.clock import SystemClock
from merpati.adapters.codec import pack
from merpati.adapters.rpc import RpcClient, RpcUnavailable
from merpati.contracts.batch import Batch
from merpati.spool.client import SpoolClient
from merpati.spool.errors import SpoolUnavailable
from merpati.spool.reading import snapshot
from merpati.spool.shard import Shard
from tests.spool.samples import (
    LARGE,
    addresses,
    batch,
    everything,
    settled_in_journal,
)

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def worker(folder: Path, faults: str = "") -> Iterator[subprocess.Popen[str]]:
    """Run a worker; it is gone at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.spool.worker_program", str(folder)],
        cwd=ROOT,
        env={**os.environ, "MERPATI_FAULTS": faults},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def numbered(n: int, content: bytes = b"kecil") -> Batch:
    return batch([f"{n}-{index}@x.example" for index in range(3)], key=f"key{n}", content=content)


def people(*numbers: int) -> list[str]:
    return sorted(f"{n}-{index}@x.example" for n in numbers for index in range(3))


async def held(folder: Path) -> list[str]:
    """Return whom the shard's messages are for, as found after the crash."""
    shard = Shard(folder / "spool", 0, SystemClock(), reserve_bytes=0)
    try:
        for message in await everything(shard):
            body = (await shard.contents([message.content_id]))[message.content_id]
            assert body in {b"kecil", b"b" * LARGE}
        return await addresses(shard)
    finally:
        await shard.close()


@pytest.mark.parametrize(
    ("point", "large", "is_durable"),
    [
        pytest.param("spool.append.before_insert", False, False),
        pytest.param("spool.append.before_commit", False, False),
        pytest.param("spool.commit", False, False),
        pytest.param("spool.append.after_commit", False, True),
        pytest.param("spool.append.before_reply", False, True),
        pytest.param("spool.body.before_fsync", True, False),
        pytest.param("spool.body.before_rename", True, False),
        pytest.param("spool.body.after_rename", True, False),
        pytest.param("spool.commit", True, False, id="spool.commit-with a file"),
        pytest.param("spool.append.after_commit", True, True, id="after_commit-with a file"),
    ],
)
async def test_killed_while_accepting(
    tmp_path: Path, point: str, large: bool, is_durable: bool
) -> None:
    content = b"b" * LARGE if large else b"kecil"
    with worker(tmp_path, f"{point}=kill@3") as process:
        client = SpoolClient(tmp_path, workers=1)
        answered = [client.append(0, numbered(n, content)) for n in (1, 2)]
        with pytest.raises(SpoolUnavailable):
            client.append(0, numbered(3, content))
        assert process.wait(10) == -signal.SIGKILL
    folder = tmp_path / "spool"
    assert await held(tmp_path) == people(*([1, 2, 3] if is_durable else [1, 2]))
    assert len(list(folder.glob("00/*"))) == (0 if not large else 3 if is_durable else 2)
    with worker(tmp_path):
        client = SpoolClient(tmp_path, workers=1)
        again = [client.append(0, numbered(n, content)) for n in (1, 2, 3)]
    assert [one.base_id for one in again[:2]] == [one.base_id for one in answered]
    assert [one.repeated for one in again] == [True, True, is_durable]
    assert await held(tmp_path) == people(1, 2, 3)


@pytest.mark.parametrize(
    ("point", "is_durable"),
    [("spool.settle.before_commit", False), ("spool.settle.after_commit", True)],
)
async def test_killed_while_settling(tmp_path: Path, point: str, is_durable: bool) -> None:
    """The message is gone and its event is there, or neither."""
    with worker(tmp_path, f"{point}=kill@2") as process:
        client = SpoolClient(tmp_path, workers=1)
        client.append(0, numbered(1, b"b" * LARGE))
        engine = RpcClient(tmp_path / "deliver-0.sock")
        engine.call("settle", pack([1]))
        with pytest.raises(RpcUnavailable):
            engine.call("settle", pack([2, 3]))
        assert process.wait(10) == -signal.SIGKILL
    assert settled_in_journal(tmp_path / "spool") == ([1, 2, 3] if is_durable else [1])
    assert await held(tmp_path) == people(1)[3 if is_durable else 1 :]
    files = list((tmp_path / "spool").glob("00/*"))
    assert len(files) == (0 if is_durable else 1), "a body outlived its last message"


async def test_killed_while_trimming(tmp_path: Path) -> None:
    with worker(tmp_path, "spool.trim.before_commit=kill@2") as process:
        client = SpoolClient(tmp_path, workers=1)
        for n in range(4):
            client.append(0, numbered(n))
        client.trim(0, 2)
        with pytest.raises(SpoolUnavailable):
            client.trim(0, 3)
        assert process.wait(10) == -signal.SIGKILL
    with snapshot(tmp_path / "spool", 0) as shard:
        assert shard is not None
        assert [row.seq for row in shard.journal_after(0, 10)] == [3, 4]
    assert await held(tmp_path) == people(0, 1, 2, 3)


async def test_killed_at_random_under_load(tmp_path: Path) -> None:
    """Rounds of four clients that append while the worker dies: nothing answered is missing."""
    chance = random.Random(7)
    answered: list[int] = []
    for turn in range(6):
        with worker(tmp_path) as process:
            threads = [
                threading.Thread(target=_append_until_death, args=(tmp_path, answered, turn, who))
                for who in range(4)
            ]
            for thread in threads:
                thread.start()
            enough = len(answered) + chance.randrange(4, 60)
            wait_until(lambda: len(answered) >= enough, "some answers")  # noqa: B023
            process.kill()
            for thread in threads:
                thread.join(30)
            assert process.wait(10) == -signal.SIGKILL
    found = Counter(address.split("-")[0] for address in await held(tmp_path))
    assert set(found.values()) == {3}, "half a batch"
    assert {str(n) for n in answered} <= set(found)
    assert len(set(found) - {str(n) for n in answered}) <= 6 * 4  # one in the air each


def _append_until_death(folder: Path, answered: list[int], turn: int, who: int) -> None:
    client = SpoolClient(folder, workers=1)
    with contextlib.suppress(SpoolUnavailable):
        for n in range(100_000):
            number = turn * 10_000_000 + who * 1_000_000 + n
            client.append(0, numbered(number))
            answered.append(number)


async def test_a_reader_alone_sees_what_a_killed_worker_left(tmp_path: Path) -> None:
    """The log was not yet carried into the file, and no writer is there to do it."""
    with worker(tmp_path) as process:
        SpoolClient(tmp_path, workers=1).append(0, numbered(1))
        process.kill()
        process.wait()
    with snapshot(tmp_path / "spool", 0) as shard:
        assert shard is not None
        (depth,) = shard.depths()
        assert (depth.count, depth.key.domain) == (3, "x.example")
        assert sum(shard.waiting().values()) == 3
