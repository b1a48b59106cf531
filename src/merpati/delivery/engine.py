"""The engine of one worker: joins feeds, ready queues, lanes and settling.

All state lives on one loop. `run` holds a task group: one task settles for each shard, one moves
the ready queues that something happened to, one waits for what falls due, one sweeps (deadlines
of sessions, addresses missing from the host, stuck queues); reads, lookups, hand-overs and
connection attempts are short tasks beside them. A message has none of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, assert_never

from merpati.adapters import codec
from merpati.adapters.clock import Clock
from merpati.adapters.dns import Resolver
from merpati.adapters.signing import RsaSigner
from merpati.contracts.batch import Recipient
from merpati.contracts.event import Settlement
from merpati.contracts.sending_policy import SendingPolicy
from merpati.delivery import events
from merpati.delivery.allowance import Allowance
from merpati.delivery.composing import (
    ComposeThreads,
    Composition,
    ContentCache,
    Failed,
    KeyRing,
    LoadedContent,
    Sealing,
)
from merpati.delivery.destinations import (
    FAILURE_TTL,
    Destination,
    Destinations,
    Undeliverable,
    Unreachable,
    Whereto,
)
from merpati.delivery.events import Attempt, Way
from merpati.delivery.feed import Feed, ShardFeeds, Spool
from merpati.delivery.lane import Lane, Line
from merpati.delivery.local_policy import LocalPolicy
from merpati.delivery.options import Options
from merpati.delivery.outcome import (
    Bounced,
    Deferred,
    Delivered,
    Ending,
    Reply,
    Returned,
    Uncertain,
)
from merpati.delivery.prepared import Budget, Prepared
from merpati.delivery.ready_queue import LocalPool, QueueId, ReadyQueue
from merpati.delivery.retry import Expired, RetryAt, after_deferral, has_expired
from merpati.delivery.sending_ip import LocalIp
from merpati.delivery.settling import Settler
from merpati.delivery.status import QueueStatus
from merpati.delivery.survey import Scene, survey
from merpati.spool.errors import SpoolUnavailable
from merpati.spool.shapes import Postponed, SpooledMessage

log = logging.getLogger(__name__)

READ_AGAIN_SECONDS = 1.0
LOOK_AGAIN_SECONDS = FAILURE_TTL + 0.5  # the failed lookup is forgotten then
DRAIN_POLL_SECONDS = 0.02
SETTLE_SECONDS = 5.0  # for storing outcomes at a stop

_read_recipient = codec.unpacker(Recipient)


class Engine:
    """Delivers what the shards hold. Make and use it on one loop.

    open_key: opens the private keys of the policy; return_path_key: signs envelope senders.
    Nothing moves before the first `use_policy`.
    """

    def __init__(
        self,
        shards: Sequence[Spool],
        clock: Clock,
        options: Options,
        open_key: Callable[[bytes], bytes],
        return_path_key: bytes,
    ) -> None:
        self.clock = clock
        self.options = options
        self.budget = Budget(options.in_flight_bytes)
        self.uncertain = 0  # messages sent whole and never answered: possible repeats
        self._open_key = open_key
        self._return_path_key = return_path_key
        self._opened: dict[bytes, RsaSigner] = {}
        self._policy = LocalPolicy.empty()
        self._keys = KeyRing((), open_key, self._opened)
        self._destinations = Destinations(
            Resolver(options.dns_servers, options.dns_deadline),
            clock.elapsed,
            port=options.port,
            allow_private=options.allow_private,
        )
        self._contents = ContentCache(options.content_cache_bytes)
        self._threads = ComposeThreads(options.compose_threads)
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._queues: dict[QueueId, ReadyQueue] = {}
        self._woken: dict[ReadyQueue, None] = {}  # in the order of waking
        self._wake = asyncio.Event()
        self._timer = asyncio.Event()
        self._thirsty: dict[ReadyQueue, None] = {}  # wait for memory
        self._group: asyncio.TaskGroup | None = None
        self._early: list[Coroutine[Any, Any, None]] = []  # work that came before `run`
        self._short: set[asyncio.Task[None]] = set()
        self._leaving: list[Lane] = []  # of a former policy, with connections still open
        self._typical_bytes = 16_384.0  # of a composed message
        self._stopping = asyncio.Event()
        self._grace = 0.0
        self._homes = [
            ShardFeeds(shard, clock, self.spawn, self._has_rows, self._timer.set)
            for shard in shards
        ]
        self._settlers = {
            home.shard.number: Settler(
                home, options.settle_interval, options.settle_most, self._health_changed
            )
            for home in self._homes
        }
        self._home_of = {home.shard.number: home for home in self._homes}

    # What the worker process calls.

    def use_policy(self, policy: SendingPolicy) -> None:
        """Follow a newer sending policy; what is on a connection goes on under the old one."""
        if policy.version <= self._policy.version:
            return
        shards = frozenset(self._home_of)
        self._policy = LocalPolicy.of(policy, self._policy, shards, self._reserve, self.clock)
        self._keys = KeyRing(policy.dkim_keys, self._open_key, self._opened)
        self._destinations.use_routes(policy.routes)
        for ip in self._policy.ips.values():
            ip.look(self.clock.elapsed(), self.options.missing_ip_recheck)
        for queue in self._queues.values():
            queue.retire()
        self._queues.clear()
        self._thirsty.clear()
        self._review_lanes()
        for home in self._homes:
            for feed in list(home.feeds.values()):
                self.replace(feed)
        log.info("policy_in_use version=%d", policy.version)

    async def run(self) -> None:
        """Deliver until `stop`. The shards stay open: they are the caller's."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                settlers = [group.create_task(s.run()) for s in self._settlers.values()]
                background = [
                    group.create_task(work())
                    for work in (self._move, self._wait_for_due, self._sweep)
                ]
                for work in self._early:
                    self.spawn(work)
                for home in self._homes:
                    self.spawn(self._learn(home))
                await self._stopping.wait()
                await self._drain(settlers)
                for task in [*settlers, *background, *self._short]:
                    task.cancel()
        finally:
            self._group = None
            self._threads.close()

    def stop(self, grace_seconds: float) -> None:
        """Begin nothing more and have `run` return once in-flight messages have ended."""
        self._grace = grace_seconds
        self._stopping.set()

    async def queues(self) -> list[QueueStatus]:
        """Return what waits, by account, pool and provider. Raises SpoolUnavailable."""
        scene = Scene(
            self._homes,
            self._settlers,
            self._policy,
            self._destinations.known,
            list(self._lines()),
            self.clock.now(),
        )
        return await survey(scene)

    # What feeds, queues and lanes ask of their host.

    @property
    def is_stopping(self) -> bool:
        """Return whether nothing more may be begun."""
        return self._stopping.is_set()

    @property
    def policy_version(self) -> int:
        """Return the version of the sending policy that is held."""
        return self._policy.version

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a piece of work as a task of the group; its failure is logged and stays its own."""
        if self.is_stopping:
            work.close()
        elif self._group is None:
            self._early.append(work)
        else:
            task = self._group.create_task(_guarded(work))
            self._short.add(task)
            task.add_done_callback(self._short.discard)

    def wake(self, queue: ReadyQueue) -> None:
        """Have a ready queue look at its mail and lines soon."""
        self._woken[queue] = None
        self._wake.set()

    def wait_for_budget(self, queue: ReadyQueue) -> None:
        """Wake the queue once memory is free."""
        self._thirsty[queue] = None

    def line(self, ip: LocalIp, destination: Destination) -> Line:
        """Return the line from an IP to a destination, made at first use."""
        key = (ip.address, destination.provider)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(self, ip, destination)
        return lane.line(destination)

    def wants_allowance(self, ip: LocalIp) -> None:
        """Reserve a further block of an IP's daily allowance."""
        allowance = ip.allowance
        if allowance is not None and allowance.wants_refill():
            allowance.begin_refill()
            self.spawn(self._refill(ip, allowance))

    def ip_missing(self, ip: LocalIp) -> None:
        """Take note that an address may not be on this host."""
        self._look_for(ip, self.clock.elapsed())

    def replace(self, feed: Feed) -> None:
        """Find out anew where a feed's mail goes."""
        if feed.placed_in is not None:
            feed.placed_in.detach(feed)
        feed.reason, feed.until = "", None
        if feed.buffer:
            self._place(feed)

    def expire_overdue(self, feed: Feed, reason: str) -> None:
        """Give up the messages at the head of a feed whose life is over.

        Only for mail that cannot be tried: whatever can gets its last attempt first.
        """
        now = self.clock.now()
        buffer = feed.buffer
        while buffer and has_expired(self.options.retry, buffer[0].injected_at, now):
            if feed.home.is_sick:
                return
            row = buffer.popleft()
            end = events.expiry(row.note or reason)
            self._give_up(feed, self._without_try(row), end, Settlement.EXPIRED)
        feed.home.read_ahead(feed)

    def compose(self, queue: ReadyQueue, rows: Sequence[tuple[Feed, SpooledMessage]]) -> None:
        """Compose messages in a thread; the queue's `composed` takes them."""
        self.spawn(self._compose(queue, rows))

    def ended(self, line: Line, remote: str, message: Prepared, ending: Ending) -> None:
        """Settle or postpone a message after an attempt."""
        self._free(message.cost_bytes)
        lane = line.lane
        way = Way(message.queue.pool.name, lane.ip.address, lane.provider, remote)
        attempt = Attempt(message.row, message.rcpt_to, self.clock.now(), way, message.size_bytes)
        match ending:
            case Delivered():
                settler = self._settlers[message.feed.home.shard.number]
                settler.settle(message.row.message_id, events.delivered(attempt, ending))
            case Bounced():
                self._give_up(message.feed, attempt, ending, Settlement.BOUNCED)
            case Deferred(reason, reply):
                self._defer(message.feed, attempt, reason, reply)
            case Uncertain(reason):
                self.uncertain += 1
                log.warning(
                    "answer_lost shard=%d message=%d remote=%s effect=may_be_repeated",
                    message.feed.home.shard.number,
                    message.row.message_id,
                    remote,
                )
                self._defer(message.feed, attempt, reason, None)
            case Returned(reason):
                self._defer(message.feed, attempt, reason, None)
            case _:
                assert_never(ending)

    # Placing feeds.

    def _has_rows(self, feed: Feed) -> None:
        queue: ReadyQueue | None = feed.placed_in
        if queue is None:
            self._place(feed)
        else:
            queue.has_rows(feed)
            self.wake(queue)

    def _place(self, feed: Feed) -> None:
        """Attach a feed with messages to its ready queue, or say why it waits."""
        policy = self._policy
        wanted = feed.buffer[0].policy_version
        if policy.version == 0 or wanted > policy.version:
            feed.reason = f"waits for version {wanted} of the sending policy"
            return
        account = policy.accounts.get(feed.key.account_id)
        if account is None:
            self._give_up_all(feed, events.account_gone(), Settlement.FAILED)
            return
        pool = policy.pool_for(account, feed.key.pool_id)
        if pool is None:
            feed.reason = "the account has no IP pool here"
            return
        match self._destinations.known(feed.key.domain):
            case Destination() as destination:
                self._queue(pool, destination).attach(feed)
            case Undeliverable(bounce):
                self._give_up_all(feed, bounce, Settlement.BOUNCED)
            case Unreachable(reason):
                self._look_again_later(feed, reason)
            case None:
                self._look_up(feed)

    def _queue(self, pool: LocalPool, destination: Destination) -> ReadyQueue:
        queue_id = (pool.pool_id, destination.provider, destination.site)
        queue = self._queues.get(queue_id)
        if queue is None:
            queue = ReadyQueue(self, pool, destination, self._fresh)
            self._queues[queue_id] = queue
        self.wake(queue)
        return queue

    def _fresh(self, feed: Feed) -> Destination | None:
        whereto = self._destinations.known(feed.key.domain)
        return whereto if isinstance(whereto, Destination) else None

    def _look_up(self, feed: Feed) -> None:
        if not feed.is_looking_up:
            feed.is_looking_up = True
            feed.reason = f"looking up where mail for {feed.key.domain} goes"
            self.spawn(self._find(feed))

    async def _find(self, feed: Feed) -> None:
        whereto: Whereto | None = None
        try:
            whereto = await self._destinations.find(feed.key.domain)
        finally:
            feed.is_looking_up = False
        if isinstance(whereto, Unreachable):
            self._defer_head(feed, whereto.reason)
        self.replace(feed)

    def _defer_head(self, feed: Feed, reason: str) -> None:
        """Count a failed lookup as an attempt of the oldest message, so that it shows and ends."""
        self.expire_overdue(feed, reason)
        if feed.buffer and not feed.home.is_sick:
            attempt = self._without_try(feed.buffer.popleft())
            self._defer(feed, attempt, f"[internal] {reason}", None)
            feed.home.read_ahead(feed)

    def _look_again_later(self, feed: Feed, reason: str) -> None:
        feed.reason = reason
        if feed.until is None:
            feed.until = self.clock.now() + int(LOOK_AGAIN_SECONDS * 1000)
            asyncio.get_running_loop().call_later(LOOK_AGAIN_SECONDS, self._look_again, feed)

    def _look_again(self, feed: Feed) -> None:
        if feed.placed_in is None and not self.is_stopping:
            self.replace(feed)

    # What becomes of messages.

    def _give_up_all(self, feed: Feed, bounce: Bounced, settlement: Settlement) -> None:
        """Settle all messages that are in memory and known to this policy."""
        while feed.buffer and feed.buffer[0].policy_version <= self._policy.version:
            if feed.home.is_sick:
                return
            self._give_up(feed, self._without_try(feed.buffer.popleft()), bounce, settlement)
        feed.home.read_ahead(feed)
        feed.home.discard_if_empty(feed)

    def _give_up(
        self, feed: Feed, attempt: Attempt, bounce: Bounced, settlement: Settlement
    ) -> None:
        settler = self._settlers[feed.home.shard.number]
        event = events.bounced(attempt, bounce, settlement)
        settler.settle(attempt.row.message_id, event)

    def _defer(self, feed: Feed, attempt: Attempt, reason: str, reply: Reply | None) -> None:
        row = attempt.row
        note = reason if reply is None else str(reply)
        match after_deferral(self.options.retry, row.injected_at, row.attempts, attempt.at):
            case Expired():
                self._give_up(feed, attempt, events.expiry(note), Settlement.EXPIRED)
            case RetryAt(due_at):
                last_ip = attempt.way.sending_ip or None
                put_off = Postponed(row.message_id, due_at, True, last_ip, note)
                event = events.delayed(attempt, reason, reply)
                self._settlers[feed.home.shard.number].postpone(feed.queue_id, put_off, event)

    def _without_try(self, row: SpooledMessage) -> Attempt:
        rcpt_to = _read_recipient.decode(row.recipient).rcpt_to
        return Attempt(row, rcpt_to, self.clock.now())

    def _free(self, cost_bytes: int) -> None:
        self.budget.used_bytes -= cost_bytes
        if self._thirsty and self.budget.has_room:
            thirsty, self._thirsty = self._thirsty, {}
            for queue in thirsty:
                self.wake(queue)

    # Composing.

    async def _compose(
        self, queue: ReadyQueue, rows: Sequence[tuple[Feed, SpooledMessage]]
    ) -> None:
        home = rows[0][0].home  # one for all: a queue belongs to a pool, so to an account
        estimate = int(self._typical_bytes * len(rows))
        self.budget.used_bytes += estimate
        prepared: list[Prepared] = []
        try:
            contents = await self._load(home, {row.content_id for _, row in rows})
            sealing = Sealing(
                home.shard.number,
                home.shard.nonce,
                self._policy.bounce_domain,
                self._return_path_key,
                self._keys,
            )
            messages = [row for _, row in rows]
            compositions = await self._threads.compose(messages, contents, sealing)
            for (feed, row), composition in zip(rows, compositions, strict=True):
                message = self._prepared(queue, feed, row, composition)
                if message is not None:
                    prepared.append(message)
        except SpoolUnavailable as error:
            log.warning("content_unreadable shard=%d reason=%s", home.shard.number, error.reason)
            self._undo_pick(rows)
            await asyncio.sleep(READ_AGAIN_SECONDS)
        finally:
            self._free(estimate)
            queue.composed(prepared, len(rows))
            self.wake(queue)

    def _prepared(
        self, queue: ReadyQueue, feed: Feed, row: SpooledMessage, composition: Composition
    ) -> Prepared | None:
        """Return a message to send, or settle one that cannot be made."""
        if isinstance(composition, Failed):
            attempt = self._without_try(row)._replace(way=Way(queue.pool.name))
            event = events.not_generated(attempt, composition.reason)
            self._settlers[feed.home.shard.number].settle(row.message_id, event)
            return None
        message = Prepared(row, feed, queue, composition)
        self.budget.used_bytes += message.cost_bytes
        self._typical_bytes += (message.cost_bytes - self._typical_bytes) / 64
        return message

    async def _load(self, home: ShardFeeds, content_ids: set[int]) -> dict[int, LoadedContent]:
        """Return contents compiled. Raises SpoolUnavailable."""
        loaded: dict[int, LoadedContent] = {}
        for content_id in content_ids:
            key = (home.shard.number, content_id)
            content = self._contents.get(key)
            if content is None:
                content = await self._threads.load(await home.shard.content(content_id))
                self._contents.put(key, content)
            loaded[content_id] = content
        return loaded

    def _undo_pick(self, rows: Sequence[tuple[Feed, SpooledMessage]]) -> None:
        for picked, row in reversed(rows):
            feed = picked.home.current(picked)
            feed.buffer.appendleft(row)
            self._has_rows(feed)

    # Background work.

    async def _learn(self, home: ShardFeeds) -> None:
        """Find out what a shard holds, as soon as it can be read."""
        while True:
            try:
                await home.learn()
                return
            except SpoolUnavailable as error:
                home.trouble = error.reason
                log.warning("spool_unreadable shard=%d reason=%s", home.shard.number, error.reason)
                await asyncio.sleep(READ_AGAIN_SECONDS)

    async def _move(self) -> None:
        """Let the ready queues move that something happened to."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(0)  # a queue that wakes itself must not keep all else waiting
            woken, self._woken = self._woken, {}
            for queue in woken:
                try:
                    queue.pump()
                except Exception:
                    log.exception("queue_failed queue=%s", queue.queue_id)

    async def _wait_for_due(self) -> None:
        """Read what falls due. The wall clock may be set meanwhile, so no sleep is long."""
        while True:
            self._timer.clear()
            now = self.clock.now()
            for home in self._homes:
                home.fall_due(now)
            timers = [at for home in self._homes if (at := home.next_timer_at()) is not None]
            wait = min([self.options.longest_sleep, *((at - now) / 1000 for at in timers)])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(wait, 0.001)):
                    await self._timer.wait()

    async def _sweep(self) -> None:
        """Look at deadlines, missing addresses and queues that stand still."""
        while True:
            await asyncio.sleep(self.options.sweep_interval)
            now = self.clock.elapsed()
            for line in list(self._lines()):
                for session in list(line.sessions):
                    session.check(now)
            for ip in self._policy.ips.values():
                if now >= ip.recheck_at:
                    self._look_for(ip, now)
            for queue_id, queue in list(self._queues.items()):
                if queue.is_unused:
                    queue.retire()
                    del self._queues[queue_id]
                elif queue.reason:
                    self.wake(queue)
            self._forget_unused_lanes()

    def _look_for(self, ip: LocalIp, now: float) -> None:
        if not ip.look(now, self.options.missing_ip_recheck):
            return
        for line in self._lines():
            if line.lane.ip is ip:
                line.kick()  # gives back what it cannot send
        for queue in self._queues.values():
            self.wake(queue)

    def _forget_unused_lanes(self) -> None:
        self._leaving = [lane for lane in self._leaving if not lane.is_unused]
        for key, lane in list(self._lanes.items()):
            lane.forget_unused_lines()
            if not lane.lines:
                del self._lanes[key]

    def _lines(self) -> Iterator[Line]:
        for lane in [*self._lanes.values(), *self._leaving]:
            yield from lane.lines.values()

    def _review_lanes(self) -> None:
        """Take back what is assigned; end the lanes of IPs that left or changed their name."""
        for key, lane in list(self._lanes.items()):
            stays = self._policy.ips.get(lane.ip.address) is lane.ip
            for line in lane.lines.values():
                if stays:
                    line.give_back()
                else:
                    line.close()
            if not stays:
                self._leaving.append(self._lanes.pop(key))

    async def _reserve(self, shard: int, address: str, day: int, block: int, limit: int) -> int:
        return await self._home_of[shard].shard.reserve(address, day, block, limit)

    async def _refill(self, ip: LocalIp, allowance: Allowance) -> None:
        try:
            await allowance.refill()
        except SpoolUnavailable as error:
            log.warning("allowance_unreadable address=%s reason=%s", ip.address, error.reason)
            await asyncio.sleep(READ_AGAIN_SECONDS)
        for queue in self._queues.values():
            if ip in queue.pool.ips or ip in queue.pool.overflow:
                self.wake(queue)

    def _health_changed(self, home: ShardFeeds) -> None:
        """Go on where a shard's delivery had paused."""
        if home.is_sick:
            return
        for feed in list(home.feeds.values()):
            if feed.buffer:
                self._has_rows(feed)
        for line in self._lines():
            line.kick()

    async def _drain(self, settlers: Sequence[asyncio.Task[None]]) -> None:
        """Let what is on connections end within the grace, then store the outcomes."""
        for line in list(self._lines()):
            line.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace):
                # Polled: the end of a stop is no place for another kind of event.
                while any(line.sessions for line in self._lines()):  # noqa: ASYNC110
                    await asyncio.sleep(DRAIN_POLL_SECONDS)
        for line in list(self._lines()):
            for session in list(line.sessions):
                session.abort("stopped by the operator")
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # connection_lost has ended their messages, as uncertain or deferred
        for settler in self._settlers.values():
            settler.finish()
        _, unfinished = await asyncio.wait(settlers, timeout=SETTLE_SECONDS)
        if unfinished:
            log.error("stop_incomplete effect=stored_outcomes_missing_messages_may_repeat")


async def _guarded(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:
        log.exception("engine_task_failed")
