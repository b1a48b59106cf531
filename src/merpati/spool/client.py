"""The way into the spool for every process but the worker that owns the shard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from merpati.adapters.codec import pack, unpacker
from merpati.adapters.rpc import RpcClient, RpcRefused, RpcUnavailable
from merpati.adapters.rpc_loop import LoopRpcClient
from merpati.contracts.batch import Accepted, Batch
from merpati.contracts.event import JournalKind
from merpati.spool.errors import SpoolError, SpoolUnavailable
from merpati.spool.shapes import QueueDepth, ShardStatus
from merpati.spool.wire import (
    AppendRequest,
    Appends,
    CancelRequest,
    DepthRequest,
    Depths,
    RecordRequest,
    Statuses,
    TrimRequest,
    error_of,
    outcome_of,
)

_read_appends = unpacker(Appends).decode
_read_depths = unpacker(Depths).decode
_read_statuses = unpacker(Statuses).decode


class SpoolClient:
    """Blocking calls from any thread; worker k of N owns the shards with `shard % N == k`.

    Every method raises SpoolUnavailable when the worker is down, too slow or refuses.
    """

    def __init__(self, run_dir: Path, workers: int, timeout_seconds: float = 15.0) -> None:
        """run_dir: holds the sockets `deliver-K.sock`."""
        self._workers = [RpcClient(path, timeout_seconds) for path in _sockets(run_dir, workers)]

    def append(self, shard: int, batch: Batch) -> Accepted:
        """Hand over a batch and return once it is durable.

        After SpoolUnavailable it may yet have become so, when the worker died or was too slow to
        answer: only a repetition with the same idempotency key is safe from doubling.
        Raises IdempotencyConflict, SpoolFull, BatchRefused.
        """
        request = _append_request(shard, [batch])
        (outcome,) = _outcomes(self._call(self._owner(shard), "append", request))
        if isinstance(outcome, SpoolError):
            raise outcome
        return outcome

    def record(self, shard: int, kind: JournalKind, payload: bytes) -> None:
        """Have the journal keep what came from outside; returns once that is durable.

        Raises SpoolFull, BatchRefused for a kind that only comes with messages.
        """
        request = RecordRequest(shard, kind, payload)
        self._call(self._owner(shard), "record", pack(request))

    def trim(self, shard: int, seq: int) -> None:
        """Let the journal up to and including `seq` be removed."""
        self._call(self._owner(shard), "trim", pack(TrimRequest(shard, seq)))

    def cancel(
        self, shard: int, account_id: int, campaign_id: str, transmission_id: str = ""
    ) -> None:
        """Have all mail cancelled that a campaign has now; returns once that is sure to happen.

        transmission_id: that one's mail instead.
        """
        request = CancelRequest(shard, account_id, campaign_id, transmission_id)
        self._call(self._owner(shard), "cancel", pack(request))

    def depth(self, shard: int) -> list[QueueDepth]:
        """Return the queues of a shard that hold messages."""
        return _read_depths(self._call(self._owner(shard), "depth", pack(DepthRequest(shard))))

    def status(self) -> list[ShardStatus]:
        """Return the state of all shards, by number."""
        found = [
            status
            for worker in self._workers
            for status in _read_statuses(self._call(worker, "status", b""))
        ]
        return sorted(found, key=lambda status: status.number)

    def _owner(self, shard: int) -> RpcClient:
        return self._workers[shard % len(self._workers)]

    @staticmethod
    def _call(worker: RpcClient, op: str, payload: bytes) -> bytes:
        try:
            return worker.call(op, payload)
        except (RpcUnavailable, RpcRefused) as error:
            raise _error(error) from error


class LoopSpoolClient:
    """What the SMTP doors need, from one event loop and without threads; else as SpoolClient."""

    def __init__(self, run_dir: Path, workers: int, timeout_seconds: float = 15.0) -> None:
        """run_dir: holds the sockets `deliver-K.sock`."""
        self._workers = [
            LoopRpcClient(path, timeout_seconds) for path in _sockets(run_dir, workers)
        ]

    async def append_all(self, shard: int, batches: Sequence[Batch]) -> list[Accepted | SpoolError]:
        """Hand over batches of one shard together; return what `append` would of each.

        Raises SpoolUnavailable, which stands for each of them.
        """
        return _outcomes(await self._call(shard, "append", _append_request(shard, batches)))

    async def record(self, shard: int, kind: JournalKind, payload: bytes) -> None:
        """Have the journal keep what came from outside, as `SpoolClient.record`."""
        await self._call(shard, "record", pack(RecordRequest(shard, kind, payload)))

    async def _call(self, shard: int, op: str, payload: bytes) -> bytes:
        try:
            return await self._workers[shard % len(self._workers)].call(op, payload)
        except (RpcUnavailable, RpcRefused) as error:
            raise _error(error) from error


def _sockets(run_dir: Path, workers: int) -> list[Path]:
    return [run_dir / f"deliver-{worker}.sock" for worker in range(workers)]


def _append_request(shard: int, batches: Sequence[Batch]) -> bytes:
    return pack(AppendRequest(shard, [pack(batch) for batch in batches]))


def _outcomes(answer: bytes) -> list[Accepted | SpoolError]:
    return [outcome_of(one) for one in _read_appends(answer)]


def _error(error: RpcUnavailable | RpcRefused) -> SpoolError:
    if isinstance(error, RpcRefused):
        return error_of(error.kind, error.message)
    return SpoolUnavailable(str(error))
