"""An engine with real shards in a test's own process, and batches to put into them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merpati.adapters.clock import SystemClock
from merpati.adapters.codec import pack, unpacker
from merpati.adapters.crypto import make_rsa_key
from merpati.contracts.batch import Batch, Content, LocalHours, Mailbox, MessageRow, Recipient
from merpati.contracts.event import Event, InjectedRecipient, Injection, JournalKind, LaneRest
from merpati.contracts.sending_policy import (
    Account,
    DkimKey,
    Pool,
    Route,
    SendingIp,
    SendingPolicy,
)
from merpati.contracts.suppressions import SuppressionsUnreadable
from merpati.delivery.engine import Engine
from merpati.delivery.options import Options
from merpati.delivery.session import Timeouts
from merpati.spool.reading import snapshot
from merpati.spool.shard import Shard

NOON = 1_790_000_000_000 // 86_400_000 * 86_400_000 + 43_200_000
ACCOUNT, POOL, DOMAIN = 1, 11, "kirim.example"
QUICK = Options(
    sweep_interval=0.05,
    longest_sleep=0.05,
    first_backoff=0.1,
    timeouts=Timeouts(
        connect=1.0, banner=2.0, ehlo=2.0, mail=2.0, rcpt=2.0, data=2.0, dot=2.0, tls=1.0
    ),
)
_read_events = unpacker(list[Event])
_read_rest = unpacker(LaneRest)


@functools.cache
def key_pair() -> tuple[bytes, str]:
    """One RSA key for the whole run: making one takes a while."""
    key = make_rsa_key()
    return key.private_pem, key.public


def policy(
    port: int,
    *,
    version: int = 1,
    ips: Iterable[SendingIp] = (SendingIp("127.0.0.2", "mta-2.kirim.example"),),
    pools: list[Pool] | None = None,
    routes: list[Route] | None = None,
    accounts: list[Account] | None = None,
    keys: list[DkimKey] | None = None,
    **route: Any,
) -> SendingPolicy:
    """One account with one pool and one route for everything to 127.0.0.1:port."""
    key = DkimKey(ACCOUNT, DOMAIN, DOMAIN, "s1", key_pair()[0])
    return SendingPolicy(
        version=version,
        bounce_domain="bounces.kirim.example",
        accounts=[Account(ACCOUNT, 1, POOL)] if accounts is None else accounts,
        pools=[Pool(POOL, ACCOUNT, "default", list(ips))] if pools is None else pools,
        dkim_keys=[key] if keys is None else keys,
        routes=[Route("*", "127.0.0.1", port, **route)] if routes is None else routes,
    )


def batch(
    *recipients: str,
    now: int,
    due_at: int | None = None,
    pool_id: int = POOL,
    account_id: int = ACCOUNT,
    policy_version: int = 1,
    text: str = "Hello {{name}}",
    campaign_id: str = "",
    transmission_id: str = "102293692714480130",
    tier: int = 0,
    buckets: Sequence[int] = (),
    hours: LocalHours | None = None,
    **content_fields: Any,
) -> bytes:
    """One transmission to these recipients; buckets: theirs, 0 of those left out."""
    content = Content(
        account_id=account_id,
        transmission_id=transmission_id,
        injected_at=now,
        pool_id=pool_id,
        ip_pool="default",
        subject="Order {{name}}",
        text=text,
        campaign_id=campaign_id,
        **{"sending_domain": DOMAIN, "sender": Mailbox(f"hi@{DOMAIN}", "Kirim"), **content_fields},
    )
    rows = [
        MessageRow(
            index,
            recipient.rpartition("@")[2],
            now if due_at is None else due_at,
            pack(Recipient(recipient, substitution_data={"name": recipient}, hours=hours)),
            tier,
            buckets[index] if index < len(buckets) else 0,
        )
        for index, recipient in enumerate(recipients)
    ]
    injection = Injection(
        account_id,
        content.transmission_id,
        now,
        "default",
        f"hi@{DOMAIN}",
        DOMAIN,
        "Order",
        [InjectedRecipient(recipient) for recipient in recipients],
        campaign_id=campaign_id or None,
        starts_at=due_at or 0,
    )
    return pack(
        Batch(
            account_id,
            content.transmission_id,
            pool_id,
            policy_version,
            now,
            len(rows),
            pack(content),
            rows,
            pack(injection),
            campaign_id=campaign_id,
            starts_at=due_at or 0,
        )
    )


@dataclass
class Lists:
    """The suppression lists as a test has them: account and address → source, for all mail."""

    entries: dict[tuple[int, str], str] = field(default_factory=dict)
    asked: list[list[str]] = field(default_factory=list)
    failure: str = ""

    def among(
        self, account_id: int, addresses: Sequence[str], transactional: bool
    ) -> dict[str, str]:
        self.asked.append(list(addresses))
        if self.failure:
            raise SuppressionsUnreadable(self.failure)
        return {
            address: self.entries[account_id, address]
            for address in addresses
            if (account_id, address) in self.entries
        }


@dataclass
class StepClock(SystemClock):
    """Monotonic time is the system's; wall time begins at a noon UTC, and a test may move it."""

    ahead_ms: int = 0
    began: float = field(default_factory=time.monotonic)

    def now(self) -> int:
        return NOON + int((self.elapsed() - self.began) * 1000) + self.ahead_ms


@dataclass
class Worker:
    shard: Shard
    engine: Engine
    clock: StepClock
    spool: Path
    lists: Lists = field(default_factory=Lists)
    sent: int = field(default=0)

    async def inject(self, *recipients: str, **changes: object) -> None:
        """Accept a batch, as the worker's socket would."""
        await self.shard.append(batch(*recipients, now=self.clock.now(), **changes))  # type: ignore[arg-type]

    def events(self) -> list[Event]:
        """Return all events but injections, from the journal on disk."""
        found: list[Event] = []
        with snapshot(self.spool, self.shard.number) as reader:
            for row in reader.journal_after(0, 100_000) if reader else ():
                if row.kind == JournalKind.EVENTS:
                    found += _read_events.decode(row.payload)
        return found

    def rests(self) -> list[LaneRest]:
        """Return the refusals that let a lane rest, from the journal on disk."""
        with snapshot(self.spool, self.shard.number) as reader:
            rows = reader.journal_after(0, 100_000) if reader else []
            return [_read_rest.decode(row.payload) for row in rows if row.kind == JournalKind.REST]

    def waiting(self) -> int:
        """Return how many messages are on disk."""
        with snapshot(self.spool, self.shard.number) as reader:
            return sum(depth.count for depth in reader.depths()) if reader else 0

    async def until(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        """Wait for a condition, at most so long."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - other processes and threads are watched
                await asyncio.sleep(0.01)

    async def settled(self, count: int) -> list[Event]:
        """Wait until so many messages have left the spool, and return all events."""
        await self.until(lambda: sum(e.settlement is not None for e in self.events()) >= count)
        return self.events()

    async def until_said(self, words: str) -> None:
        """Wait until some queue says so, as why it waits or of one side of a split."""
        async with asyncio.timeout(60.0):
            while True:
                for status in await self.engine.queues():
                    if any(words in said for said in (status.reason, *status.split)):
                        return
                await asyncio.sleep(0.02)

    async def reason(self, word: str) -> None:
        """Wait until some queue says why it waits with this word in it."""
        async with asyncio.timeout(60.0):
            while not any(word in status.reason for status in await self.engine.queues()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def worker(
    folder: Path,
    first: SendingPolicy | None,
    options: Options = QUICK,
    clock: StepClock | None = None,
    wrap: Callable[[Shard], Shard] = lambda shard: shard,
    grace: float = 3.0,
) -> AsyncIterator[Worker]:
    """Run an engine over one shard; at the end it is stopped as SIGTERM would."""
    clock = clock or StepClock()
    shard = wrap(Shard(folder / "spool", 1, clock))
    lists = Lists()
    engine = Engine([shard], clock, options, lambda sealed: sealed, b"k" * 32, suppressions=lists)
    if first is not None:
        engine.use_policy(first)
    running = asyncio.create_task(engine.run())
    try:
        yield Worker(shard, engine, clock, folder / "spool", lists)
    finally:
        engine.stop(grace)
        try:
            await running
        finally:
            await shard.close()
