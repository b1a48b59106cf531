"""How the web process asks the other processes how they are: `/readyz`, `/metrics`, queues.

Each is asked on a connection of its own, so that neither waits behind mail, and not for long.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from merpati.adapters.codec import pack, unpacker
from merpati.adapters.rpc import RpcClient, RpcRefused, RpcUnavailable
from merpati.contracts.metrics import WorkerMetrics
from merpati.contracts.queues import QueueStatus, Retry
from merpati.spool.shapes import ShardStatus

ANSWER_SECONDS = 2.0

T = TypeVar("T")


class ClockStatus(msgspec.Struct, frozen=True):
    """The recorder. recorded: events since its process started; trouble: why it waits, or ""."""

    recorded: int
    trouble: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """What a process did not say, and why."""

    reason: str


_read_metrics = unpacker(WorkerMetrics).decode
_read_queues = unpacker(list[QueueStatus]).decode
_read_count = unpacker(int).decode
_read_shards = unpacker(list[ShardStatus]).decode
_read_clock = unpacker(ClockStatus).decode


class Watch:
    """Asks the workers and the clock process of one data folder; any thread may."""

    def __init__(self, run_dir: Path, workers: int, spool_dir: Path, reserve_bytes: int) -> None:
        self._workers = [
            RpcClient(run_dir / f"deliver-{worker}.sock", ANSWER_SECONDS)
            for worker in range(workers)
        ]
        self._clock = RpcClient(run_dir / "clock.sock", ANSWER_SECONDS)
        self._spool_dir = spool_dir
        self._reserve_bytes = reserve_bytes

    def metrics(self) -> list[WorkerMetrics | NoAnswer]:
        """Return what each worker counted, by its number."""
        return self._ask_all("metrics", _read_metrics)

    def shards(self) -> list[list[ShardStatus] | NoAnswer]:
        """Return the state of each worker's shards, by its number."""
        return self._ask_all("status", _read_shards)

    def queues(self) -> list[list[QueueStatus] | NoAnswer]:
        """Return each worker's queues, by its number."""
        return self._ask_all("queues", _read_queues)

    def retry(self, wanted: Retry) -> list[int | NoAnswer]:
        """Have deferred mail tried again now; return how much, by worker."""
        return self._ask_all("retry", _read_count, pack(wanted))

    def clock(self) -> ClockStatus | NoAnswer:
        """Return what the clock process says of the recorder."""
        return _asked(self._clock, "status", _read_clock)

    def has_disk(self) -> bool:
        """Return whether the disk has room to settle what is there: a quarter of the reserve.

        The rest of the reserve is judged by the workers, who know of free room inside their files.
        """
        try:
            disk = os.statvfs(self._spool_dir)
        except OSError:
            return False
        return disk.f_bavail * disk.f_frsize >= self._reserve_bytes // 4

    def _ask_all(
        self, op: str, read: Callable[[bytes], T], payload: bytes = b""
    ) -> list[T | NoAnswer]:
        with ThreadPoolExecutor(len(self._workers)) as pool:  # one that hangs delays no other
            return list(pool.map(lambda client: _asked(client, op, read, payload), self._workers))


def _asked(
    client: RpcClient, op: str, read: Callable[[bytes], T], payload: bytes = b""
) -> T | NoAnswer:
    try:
        return read(client.call(op, payload))
    except (RpcUnavailable, RpcRefused) as error:
        return NoAnswer(str(error))


def unready(watch: Watch) -> Sequence[tuple[str, str]]:
    """Return what keeps new mail from being accepted, as (part, reason); none when it would be."""
    found = [] if watch.has_disk() else [("disk", "almost no space is left on the spool's disk")]
    for number, answer in enumerate(watch.shards()):
        if isinstance(answer, NoAnswer):
            found.append((f"worker {number}", f"does not answer: {answer.reason}"))
            continue
        for shard in answer:
            part = f"shard {shard.number:02}"
            if shard.trouble:
                found.append((part, f"refuses: {shard.trouble}"))
            elif shard.below_reserve:
                found.append((part, "free disk space is below the reserve (spool.reserve_mb)"))
    return found
