"""What the running worker of a shard knows of where mail goes; nothing while it does not answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from merpati.adapters.codec import pack, unpacker
from merpati.adapters.rpc import RpcClient, RpcRefused, RpcUnavailable
from merpati.contracts.queues import KnownWays

ANSWER_SECONDS = 2.0
NOTHING_KNOWN = KnownWays()

KnownWaysOf = Callable[[int, Sequence[str]], KnownWays]  # of a shard, for domains

_read = unpacker(KnownWays).decode


def known_ways(run_dir: Path, workers: int) -> KnownWaysOf:
    """Return how to ask the workers of a data folder; worker k of N owns shards k, k + N, …"""
    clients = [
        RpcClient(run_dir / f"deliver-{worker}.sock", ANSWER_SECONDS) for worker in range(workers)
    ]

    def ask(shard: int, domains: Sequence[str]) -> KnownWays:
        try:
            return _read(clients[shard % workers].call("known_ways", pack(list(domains))))
        except (RpcUnavailable, RpcRefused):
            return NOTHING_KNOWN

    return ask


def nobody_knows(_shard: int, _domains: Sequence[str]) -> KnownWays:
    """Stand for workers while Merpati is stopped."""
    return NOTHING_KNOWN
