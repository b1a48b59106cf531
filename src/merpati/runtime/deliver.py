"""A delivery worker: owns its shards, takes batches for them, and sends what they hold.

`python -m merpati.runtime.deliver --data DIR --worker K --workers N` serves the shards with
`shard % N == K` on `DIR/run/deliver-K.sock` and follows `DIR/policy.msgpack`. SIGTERM drains:
messages on connections end, their outcomes are stored, the rest stays on disk.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from merpati.adapters import codec
from merpati.adapters.clock import Clock, SystemClock
from merpati.adapters.crypto import SecretBox
from merpati.adapters.rpc import Handler, RpcError, RpcServer
from merpati.adapters.time_zones import rules_edition
from merpati.contracts.metrics import WorkerMetrics
from merpati.contracts.queues import Retry
from merpati.contracts.sending_policy import SendingPolicy
from merpati.delivery.engine import Engine
from merpati.delivery.late import LatePolicy, LateRule
from merpati.delivery.metering import gauges
from merpati.delivery.options import Options
from merpati.delivery.ourselves import Ourselves
from merpati.delivery.retry import RetrySchedule
from merpati.runtime.hold import HoldFollower
from merpati.runtime.paths import DataFolder
from merpati.runtime.process import loop_runner, set_up_log, spare_collections, stop_event
from merpati.sending.suppression_lookup import SuppressionReader
from merpati.settings import Settings, control_place, load, parse_host_port
from merpati.spool.errors import SpoolUnavailable
from merpati.spool.files import SHARDS
from merpati.spool.server import handlers
from merpati.spool.shard import Shard

log = logging.getLogger(__name__)

POLICY_POLL_SECONDS = 0.2
GRACE_SECONDS = 12.0  # for messages on connections; the supervisor kills after 25 s
SHARDS_CACHE_BYTES = 64 << 20  # of SQLite pages, all shards of the worker together

_read_domains = codec.unpacker(list[str])
_read_retry = codec.unpacker(Retry)
_read_policy = codec.unpacker(SendingPolicy)


def options_of(settings: Settings) -> Options:
    """Return what the settings say about delivery."""
    delivery = settings.delivery
    return Options(
        dns_servers=tuple(settings.dns.servers),
        dns_validating=settings.dns.validating,
        port=delivery.port,
        allow_private=tuple(map(ipaddress.ip_network, settings.safety.allow_private)),
        ourselves=Ourselves(frozenset({settings.mail.hostname}), _listening(settings)),
        tls_authorities=delivery.tls_authorities,
        route_connections=delivery.connections,
        connections=delivery.connections,
        retry=RetrySchedule(
            first_ms=delivery.retry_seconds * 1000, life_ms=delivery.expire_seconds * 1000
        ),
        zone_rules=rules_edition(),
        late=LateRule(LatePolicy(delivery.late), delivery.late_seconds * 1000),
    )


def _listening(settings: Settings) -> tuple[tuple[str, int], ...]:
    """Return where we speak SMTP; a listener by name counts as all addresses of this host."""
    found = []
    for text in (settings.listen.inbound, settings.listen.submission):
        host, port = parse_host_port(text)
        try:
            ipaddress.ip_address(host)
        except ValueError:
            host = "0.0.0.0"  # noqa: S104 - says where others may reach us; nothing is bound
        found.append((host, port))
    return tuple(found)


async def deliver(folder: DataFolder, settings: Settings, worker: int, workers: int) -> None:
    """Run until SIGTERM. Raises OSError when the socket cannot be made."""
    stop = stop_event()
    clock = SystemClock()
    secrets = SecretBox(folder.secret_key)
    numbers = range(worker, SHARDS, workers)
    shards = [
        Shard(
            folder.spool,
            number,
            clock,
            reserve_bytes=settings.spool.reserve_mb << 20,
            cache_bytes=SHARDS_CACHE_BYTES // len(numbers),
        )
        for number in numbers
    ]
    suppressions = SuppressionReader(control_place(folder.root))
    engine = Engine(
        shards,
        clock,
        options_of(settings),
        secrets.decrypt,
        secrets.derive("return-path"),
        suppressions=suppressions,
    )
    holder = HoldFollower(folder.hold, engine.hold)
    holder.look()  # before there is a policy, so before anything moves
    follower = PolicyFollower(folder.policy, engine.use_policy)
    follower.look()
    served = handlers({shard.number: shard for shard in shards})
    own = {
        "queues": _queues(engine),
        "paces": _paces(engine),
        "known_ways": _known_ways(engine),
        "retry": _retry(engine),
        "metrics": _metrics(engine, shards, clock),
    }
    server = RpcServer(folder.deliver_socket(worker), {**served, **own})
    await server.start()
    running = asyncio.create_task(engine.run())
    following = asyncio.create_task(follower.run())
    holding = asyncio.create_task(holder.run())
    stopping = asyncio.create_task(stop.wait())
    spare_collections()
    log.info("serves shards=%d", len(shards))
    await asyncio.wait([running, following, holding, stopping], return_when=asyncio.FIRST_COMPLETED)
    engine.stop(GRACE_SECONDS)
    for task in (stopping, following, holding):
        task.cancel()
    for task in (following, holding):
        with contextlib.suppress(asyncio.CancelledError):
            await task  # raises what ended it, if it was not us
    try:
        await running
    finally:
        await server.close()
        await asyncio.gather(*(shard.close() for shard in shards))
        suppressions.close()
    log.info("stopped uncertain=%d", engine.uncertain)


def _queues(engine: Engine) -> Handler:
    async def queues(_: bytes) -> bytes:
        try:
            return codec.pack(await engine.queues())
        except SpoolUnavailable as error:
            raise RpcError(error.kind, error.reason) from error

    return queues


def _paces(engine: Engine) -> Handler:
    async def paces(_: bytes) -> bytes:
        return codec.pack(engine.paces())

    return paces


def _known_ways(engine: Engine) -> Handler:
    async def known_ways(payload: bytes) -> bytes:
        return codec.pack(engine.known_ways(_read_domains.decode(payload)))

    return known_ways


def _retry(engine: Engine) -> Handler:
    async def retry(payload: bytes) -> bytes:
        try:
            return codec.pack(await engine.retry(_read_retry.decode(payload)))
        except SpoolUnavailable as error:
            raise RpcError(error.kind, error.reason) from error

    return retry


def _metrics(engine: Engine, shards: Sequence[Shard], clock: Clock) -> Handler:
    async def metrics(_: bytes) -> bytes:
        try:
            queues = gauges(await engine.queues(), clock.now())
        except SpoolUnavailable:
            queues = []  # the shard in trouble is counted as such
        states = [shard.status() for shard in shards]
        return codec.pack(
            WorkerMetrics(
                accepted=sum(state.accepted for state in states),
                waiting=sum(state.waiting for state in states),
                journal_rows=sum(state.journal_rows for state in states),
                troubled=[state.number for state in states if state.trouble],
                short=[state.number for state in states if state.below_reserve],
                queues=queues,
                attempts=engine.meter.attempts(),
                delivery_buckets=engine.meter.delivery_buckets,
                delivery_seconds=engine.meter.delivery_ms / 1000,
                uncertain=engine.uncertain,
                connections=engine.connections,
                is_held=bool(engine.held),
            )
        )

    return metrics


class PolicyFollower:
    """Hands on the published sending policy whenever its file changes."""

    def __init__(self, path: Path, use: Callable[[SendingPolicy], None]) -> None:
        self._path = path
        self._use = use
        self._seen: tuple[int, int, int] | None = None

    async def run(self) -> None:
        """Look again and again. The file is small and is replaced whole, so looking is cheap."""
        while True:
            self.look()
            await asyncio.sleep(POLICY_POLL_SECONDS)

    def look(self) -> None:
        """Use the file's policy if it is another than last time; a bad file changes nothing."""
        try:
            stat = self._path.stat()
            seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if seen == self._seen:
                return
            self._seen = seen
            policy = _read_policy.decode(self._path.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, codec.DecodeError) as error:
            log.warning("policy_unreadable path=%s error=%s", self._path, error)
            return
        self._use(policy)


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(prog="merpati.runtime.deliver", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--worker", type=int, required=True, metavar="K", help="from 0")
    parser.add_argument("--workers", type=int, required=True, metavar="N")
    arguments = parser.parse_args()
    folder = DataFolder(arguments.data)
    settings = load(arguments.data)
    set_up_log(f"deliver-{arguments.worker}", settings.log)
    loop_runner()(deliver(folder, settings, arguments.worker, arguments.workers))


if __name__ == "__main__":
    main()
