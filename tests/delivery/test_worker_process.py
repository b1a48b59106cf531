"""The worker as a process: its socket, its policy file, its end, kill -9 at the worst moment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from harness import programs
from merpati.adapters.codec import pack, unpacker
from merpati.adapters.crypto import SecretBox
from merpati.adapters.rpc import RpcClient
from merpati.contracts.batch import Batch
from merpati.contracts.queues import QueueStatus
from merpati.contracts.sending_policy import SendingPolicy
from merpati.runtime.paths import DataFolder
from merpati.spool.client import SpoolClient
from merpati.spool.reading import snapshot
from tests.support.smtp_sink import SmtpSink
from tests.support.worker import batch, policy

SHARD = 1  # of worker 1 of 2
KILLED = -signal.SIGKILL


def publish(folder: DataFolder, new: SendingPolicy) -> None:
    box = SecretBox(folder.secret_key)
    keys = [
        msgspec.structs.replace(key, private_key=box.encrypt(key.private_key))
        for key in new.dkim_keys
    ]
    temporary = folder.root / ".policy"
    temporary.write_bytes(pack(msgspec.structs.replace(new, dkim_keys=keys)))
    temporary.rename(folder.policy)


def start(folder: DataFolder, faults: str = "") -> programs.Started:
    words = ("--data", str(folder.root), "--worker", "1", "--workers", "2")
    environment = {**os.environ, "MERPATI_FAULTS": faults}
    return programs.start_main("merpati.runtime.deliver", *words, environment=environment)


async def until(condition: object, seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running(folder: DataFolder, faults: str = "") -> AsyncIterator[programs.Started]:
    process = start(folder, faults)
    try:
        await until(folder.deliver_socket(1).exists)
        yield process
    finally:
        process.kill()
        process.wait()


def data_folder(root: Path) -> DataFolder:
    folder = DataFolder(root)
    folder.run.mkdir()
    return folder


def waiting(folder: DataFolder) -> int:
    with snapshot(folder.spool, SHARD) as reader:
        return sum(depth.count for depth in reader.depths()) if reader else 0


async def inject(folder: DataFolder, recipients: list[str]) -> None:
    decoded = unpacker(Batch).decode(batch(*recipients, now=time.time_ns() // 1_000_000))
    client = SpoolClient(folder.run, 2)
    await asyncio.to_thread(client.append, SHARD, decoded)


async def test_a_worker_takes_batches_follows_the_policy_and_drains(tmp_path: Path) -> None:
    folder = data_folder(tmp_path)
    async with SmtpSink().running() as sink, running(folder) as process:
        recipients = [f"u{n}@x.example" for n in range(50)]
        await inject(folder, recipients)
        queues = await asyncio.to_thread(RpcClient(folder.deliver_socket(1)).call, "queues", b"")
        status = unpacker(list[QueueStatus]).decode(queues)[0]
        assert (status.depth, status.provider) == (50, "x.example")
        assert "policy" in status.reason
        publish(folder, policy(sink.port))
        await until(lambda: waiting(folder) == 0)
        process.terminate()
        assert await asyncio.to_thread(process.wait, 10) == 0
    assert Counter(r.rcpt for r in sink.received) == Counter(recipients)


async def test_a_kill_before_the_record_repeats_only_its_window_as_the_same_messages(
    tmp_path: Path,
) -> None:
    """D4: between the far end's 250 and our record, killed at the third such moment."""
    folder = data_folder(tmp_path)
    recipients = [f"u{n}@x.example" for n in range(400)]
    async with SmtpSink().running() as sink:
        publish(folder, policy(sink.port))
        async with running(folder, "delivery.after_250_before_settle=kill@3") as process:
            await inject(folder, recipients)
            assert await asyncio.to_thread(process.wait, 15) == KILLED
        folder.deliver_socket(1).unlink()
        recorded = len(recipients) - waiting(folder)
        answered = len(sink.received)
        assert 0 < recorded < answered
        async with running(folder):
            await until(lambda: waiting(folder) == 0)
    counts = Counter(r.rcpt for r in sink.received)
    assert set(counts) == set(recipients)
    repeats = [recipient for recipient, count in counts.items() if count > 1]
    assert 0 < len(repeats) <= answered - recorded
    assert max(counts.values()) == 2
    for recipient in repeats:
        one, other = (r for r in sink.received if r.rcpt == recipient)
        assert one.message_id == other.message_id
        assert one.data == other.data
