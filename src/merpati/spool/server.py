"""The worker's end of its socket: operations on the shards it owns."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from merpati.adapters.codec import pack, unpacker
from merpati.adapters.faults import fault
from merpati.adapters.rpc import Handler, RpcError
from merpati.spool.errors import SpoolError, SpoolUnavailable
from merpati.spool.shard import Shard
from merpati.spool.wire import (
    NOT_HERE,
    AppendRequest,
    CancelRequest,
    DepthRequest,
    RecordRequest,
    TrimRequest,
    append_of,
)

_read_append = unpacker(AppendRequest).decode
_read_record = unpacker(RecordRequest).decode
_read_trim = unpacker(TrimRequest).decode
_read_cancel = unpacker(CancelRequest).decode
_read_depth = unpacker(DepthRequest).decode


def handlers(shards: Mapping[int, Shard]) -> dict[str, Handler]:
    """Return what RpcServer needs to serve these shards, by number: append, record, trim,
    cancel, depth, status."""

    def owned(number: int) -> Shard:
        try:
            return shards[number]
        except KeyError:
            raise RpcError(NOT_HERE, f"shard {number:02} belongs to another worker") from None

    async def append(payload: bytes) -> bytes:
        request = _read_append(payload)
        outcomes = await owned(request.shard).append_all(request.batches)
        fault("spool.append.before_reply")
        return pack([append_of(outcome) for outcome in outcomes])

    async def record(payload: bytes) -> bytes:
        request = _read_record(payload)
        await owned(request.shard).record(request.kind, request.payload)
        return b""

    async def trim(payload: bytes) -> bytes:
        request = _read_trim(payload)
        await owned(request.shard).trim(request.seq)
        return b""

    async def cancel(payload: bytes) -> bytes:
        request = _read_cancel(payload)
        await owned(request.shard).cancel(
            request.account_id, request.campaign_id, request.transmission_id
        )
        return b""

    async def depth(payload: bytes) -> bytes:
        queues = await owned(_read_depth(payload).shard).queues()
        return pack(list(queues.values()))

    async def status(_: bytes) -> bytes:
        for shard in shards.values():
            with contextlib.suppress(SpoolUnavailable):  # the status says so
                await shard.look_at_disk()
        return pack([shard.status() for shard in shards.values()])

    return {
        "append": _refusing(append),
        "record": _refusing(record),
        "trim": _refusing(trim),
        "cancel": _refusing(cancel),
        "depth": _refusing(depth),
        "status": _refusing(status),
    }


def _refusing(call: Handler) -> Handler:
    """Send the spool's own errors to the caller under their names."""

    async def answer(payload: bytes) -> bytes:
        try:
            return await call(payload)
        except SpoolError as error:
            raise RpcError(error.kind, error.subject) from error

    return answer
