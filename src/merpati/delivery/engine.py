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
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from merpati.adapters.clock import Clock
from merpati.adapters.dns import Resolver
from merpati.adapters.fetch import Fetcher
from merpati.contracts.queues import KnownWays, LaneStatus, QueueStatus, Retry
from merpati.contracts.sending_policy import Egress, SendingPolicy
from merpati.contracts.suppressions import Suppressions
from merpati.delivery.allowance import Allowance
from merpati.delivery.cancelling import Canceller
from merpati.delivery.destinations import Destination, Destinations, Whereto
from merpati.delivery.events import Way
from merpati.delivery.feed import Feed, ShardFeeds, Spool
from merpati.delivery.fresh_contents import FreshContents
from merpati.delivery.hand_over import READ_AGAIN_SECONDS, HandOver, Pick
from merpati.delivery.lane import Lane, Line
from merpati.delivery.lanes import Lanes
from merpati.delivery.last_look import LastLook
from merpati.delivery.learned_pace import Learned
from merpati.delivery.lessons import LaneKey, Lessons
from merpati.delivery.local_hours import follow_zone_rules
from merpati.delivery.local_policy import LocalPolicy
from merpati.delivery.metering import Meter
from merpati.delivery.mta_sts import Policies
from merpati.delivery.options import Options
from merpati.delivery.outcome import Deferred, Ending, Reply
from merpati.delivery.pace_memory import PaceMemory
from merpati.delivery.placement import Placement
from merpati.delivery.prepared import Budget, Prepared
from merpati.delivery.ready_queue import ReadyQueue
from merpati.delivery.rests import Rests, is_told
from merpati.delivery.retry_now import lift, look_up_unknown, retry_now
from merpati.delivery.sending_ip import LocalIp
from merpati.delivery.settling import Settler
from merpati.delivery.survey import Scene, lanes_of, survey
from merpati.delivery.tls import TlsClient
from merpati.delivery.verdict import Verdicts
from merpati.providers.replies import Reading
from merpati.providers.replies import prepare as prepare_readings
from merpati.spool.errors import SpoolUnavailable
from merpati.spool.shapes import SpooledMessage

log = logging.getLogger(__name__)

DRAIN_POLL_SECONDS = 0.02
ABORT_SECONDS = 1.0  # for connections to end once they were cut
SETTLE_SECONDS = 5.0  # for storing outcomes at a stop


class Engine:
    """Delivers what the shards hold. Make and use it on one loop.

    open_key: opens the secrets of the policy; return_path_key: signs envelope senders;
    suppressions: whom mail that waited must not go to any more.
    Nothing moves before the first `use_policy`.
    """

    def __init__(
        self,
        shards: Sequence[Spool],
        clock: Clock,
        options: Options,
        open_key: Callable[[bytes], bytes],
        return_path_key: bytes,
        *,
        suppressions: Suppressions,
    ) -> None:
        prepare_readings()  # now, since compiling them would hold up the loop later
        self.clock = clock
        self.options = options
        self.tls = TlsClient(clock.elapsed, options.tls_authorities)
        self.meter = Meter()
        self.budget = Budget(options.in_flight_bytes, self.wake)
        self._policy = LocalPolicy.empty()
        self.held = ""  # why nothing is begun, "" when it is
        self._woken: dict[ReadyQueue, None] = {}  # in the order of waking
        self._wake = asyncio.Event()
        self._timer = asyncio.Event()
        self._stopping = asyncio.Event()
        self._grace = 0.0
        self._group: asyncio.TaskGroup | None = None
        self._looking_up: set[int] = set()  # old providers
        self._early: list[Coroutine[Any, Any, None]] = []  # work that came before `run`
        self._short: set[asyncio.Task[None]] = set()
        fresh = FreshContents(options.fresh_bytes, clock.elapsed)
        self._homes = {
            shard.number: ShardFeeds(
                shard, clock, self.spawn, self._has_rows, self._timer.set, keep=fresh.keep
            )
            for shard in shards
        }
        self._settlers = {
            number: Settler(
                home,
                options.settle_interval,
                options.settle_most,
                self._health_changed,
                self.meter.count,
            )
            for number, home in self._homes.items()
        }
        self._verdicts = Verdicts(clock, options.retry, self._settlers, self._stopping.is_set)
        self._cancellers = [Canceller(home, self._verdicts) for home in self._homes.values()]
        resolver = Resolver(options.dns_servers, options.dns_deadline, options.dns_validating)
        if options.dns_validating and not resolver.is_validating:
            log.warning(
                "dane_off reason=a_dns_server_is_not_on_the_loopback_interface remedy=dns.servers"
            )
        fetcher = Fetcher(
            resolver, options.allow_private, options.tls_authorities, options.https_port
        )
        self._destinations = Destinations(
            resolver,
            clock.elapsed,
            port=options.port,
            allow_private=options.allow_private,
            ourselves=options.ourselves,
            open_secret=open_key,
            policies=Policies(resolver, fetcher, clock.elapsed),
        )
        self._placement = Placement(self, clock, self._destinations, self._verdicts)
        self._lanes = Lanes(self)
        self._lessons = Lessons(clock, self._pace_changed)
        self._pace_memory = PaceMemory(self._homes, self._lessons, self._shard_of, self.spawn)
        self._rests = Rests(clock, self._homes, self._shard_of, self.spawn)
        self._hand_over = HandOver(
            options,
            self.budget,
            self._verdicts,
            open_key,
            return_path_key,
            clock=clock,
            spawn=self.spawn,
            fresh=fresh,
            look=LastLook(suppressions, clock),
            is_accepting=lambda: any(home.is_accepting for home in self._homes.values()),
        )

    # What the worker process calls.

    def use_policy(self, policy: SendingPolicy) -> None:
        """Follow a newer sending policy; what is on a connection goes on under the old one."""
        if policy.version <= self._policy.version:
            return
        shards = {number: home.shard.reserve for number, home in self._homes.items()}
        self._policy = LocalPolicy.of(policy, self._policy, shards, self.clock)
        for ip in self._policy.ips.values():
            ip.look(self.clock.elapsed(), self.options.missing_ip_recheck)
        self._cut_allowances()
        self._destinations.use_routes(policy.routes)
        self._hand_over.use_policy(policy)
        self._verdicts.use_accounts(policy.accounts)
        self._placement.use_policy(self._policy)
        self._lanes.use_policy(self._policy)
        self._replace_all()
        log.info("policy_in_use version=%d", policy.version)

    def hold(self, reason: str) -> None:
        """Begin nothing more while there is a reason; "" goes on. What is on a connection ends."""
        if reason == self.held:
            return
        self.held = reason
        self._placement.hold(reason)
        for line in self._lanes:
            line.give_back()
        self._replace_all()
        log.warning("delivery_%s reason=%s", "held" if reason else "resumed", reason or "-")

    def _replace_all(self) -> None:
        for home in self._homes.values():
            for feed in list(home.feeds.values()):
                self.replace(feed)

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
                background += [group.create_task(one.run()) for one in self._cancellers]
                for work in self._early:
                    self.spawn(work)
                for home in self._homes.values():
                    self.spawn(self._learn(home))
                await self._stopping.wait()
                await self._drain(settlers)
                for task in [*settlers, *background, *self._short]:
                    task.cancel()
        finally:
            self._group = None
            self._hand_over.close()

    def stop(self, grace_seconds: float) -> None:
        """Begin nothing more and have `run` return once in-flight messages have ended."""
        self._grace = grace_seconds
        self._stopping.set()

    async def queues(self) -> list[QueueStatus]:
        """Return what waits, by account, pool and provider. Raises SpoolUnavailable."""
        scene = Scene(
            list(self._homes.values()),
            self._settlers,
            self._policy,
            self._destinations.last_known,
            list(self._lanes),
            dict(self._lessons),
            self.clock,
            list(self._placement.queues.values()),
            self.held,
        )
        return await survey(scene)

    def paces(self) -> list[LaneStatus]:
        """Return at what pace mail goes, by sending IP and provider: lanes in use, and slowed."""
        return lanes_of(list(self._lanes), dict(self._lessons), self.clock)

    def known_ways(self, domains: Sequence[str]) -> KnownWays:
        """Return who takes some domains' mail, of those that were looked up, and all paces."""
        found = {domain: self._destinations.last_known(domain) for domain in domains}
        providers = {d: to.provider for d, to in found.items() if isinstance(to, Destination)}
        return KnownWays(providers, self.paces())

    async def retry(self, wanted: Retry) -> int:
        """Have deferred mail tried again now; return how much. Raises SpoolUnavailable."""
        if wanted.lifts:
            lift(wanted, self._policy, self._lessons, self._lanes)
            self._wake_all()
        homes, known = self._homes.values(), self._destinations.last_known
        if wanted.provider:
            await look_up_unknown(wanted, homes, self._destinations)
        count = await retry_now(wanted, homes, self._policy, known, self.clock)
        log.info("retry messages=%d wanted=%s", count, wanted)
        return count

    @property
    def connections(self) -> int:
        """Return how many connections to receivers are open."""
        return sum(len(line.sessions) for line in self._lanes)

    @property
    def uncertain(self) -> int:
        """Return how many messages were sent whole and never answered: possible repeats."""
        return self._verdicts.uncertain

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

    def line(self, ip: LocalIp, destination: Destination) -> Line:
        """Return the line from an IP to a destination."""
        return self._lanes.line(ip, destination)

    def compose(self, queue: ReadyQueue, picks: Sequence[Pick]) -> None:
        """Compose messages; the queue's `composed` takes them."""
        self._hand_over.compose(queue, picks)

    def ended(
        self,
        line: Line,
        remote: str,
        message: Prepared,
        ending: Ending,
        *,
        is_encrypted: bool = False,
        rests: bool = False,
    ) -> None:
        """Settle or postpone a message after an attempt."""
        self.budget.free(message.queue, message.cost_bytes)
        if isinstance(ending, Deferred):
            self._hand_over.keep(message)
        lane, queue = line.lane, message.queue
        if lane.egress:
            to = queue.destination.provider
            way = Way(queue.pool.name, "", to, remote, is_encrypted, lane.egress)
        else:
            ip = lane.ip.address
            way = Way(queue.pool.name, ip, lane.provider, remote, is_encrypted, "", rests)
        self._verdicts.ended(message, way, ending)

    def cancelled(self, message: Prepared) -> None:
        """Settle a message that was cancelled before a connection took it."""
        self.budget.free(message.queue, message.cost_bytes)
        self.cancelled_in_queue(message.feed, message.row)

    def cancelled_in_queue(self, feed: Feed, row: SpooledMessage) -> None:
        """Settle a message that was cancelled while a queue kept it."""
        home = feed.home
        self._verdicts.cancel(home.shard.number, row, home.cancelled[row.message_id])

    def learned(self, lane: Lane) -> Learned | None:
        """Return what replies taught about a lane, None at its configured pace."""
        return self._lessons.of(lane.key)

    def blamed(self, lane: Lane, reading: Reading, reply: Reply) -> bool:
        """Learn from a reply that blames us; return whether it is to be told of the lane."""
        is_new = self._lessons.teach(lane.key, reading, reply, lane.configured)
        return is_new and not lane.egress and is_told(reading)

    def rests(self, lane: Lane, reading: Reading, reply: Reply) -> None:
        """Tell that a lane rests since a reply that answered no attempt."""
        self._rests.tell(lane.key, reading, reply)

    def proven(self, lane: Lane) -> None:
        """Learn that a slowed lane had enough clean deliveries in this step."""
        self._lessons.prove(lane.key)

    def put_off(self, feed: Feed, row: SpooledMessage, until: int, why: str = "") -> None:
        """Put off, on disk, a message whose only way is closed until then."""
        self._verdicts.put_off_unseen(feed, row, until, why)

    def old_way(self, egress: Egress) -> Whereto | None:
        """Return where an old provider is; None: it is being looked up, all queues hear of it."""
        whereto = self._destinations.known_egress(egress)
        if whereto is None and egress.egress_id not in self._looking_up:
            self._looking_up.add(egress.egress_id)
            self.spawn(self._find_egress(egress))
        return whereto

    async def _find_egress(self, egress: Egress) -> None:
        try:
            await self._destinations.find_egress(egress)
        finally:
            self._looking_up.discard(egress.egress_id)
        self._wake_all()

    def replace(self, feed: Feed) -> None:
        """Find out anew where a feed's mail goes."""
        self._placement.replace(feed)

    def expire_overdue(self, feed: Feed, reason: str) -> None:
        """Give up the messages at the head of a feed whose life is over."""
        self._verdicts.expire_overdue(feed, reason)

    def wants_allowance(self, allowance: Allowance) -> None:
        """Reserve a further block of an allowance, if that makes sense now."""
        if allowance.wants_refill():
            allowance.begin_refill()
            self.spawn(self._refill(allowance))

    def ip_missing(self, ip: LocalIp) -> None:
        """Take note that an address may not be on this host."""
        if ip.look(self.clock.elapsed(), self.options.missing_ip_recheck):
            self._lanes.kick(ip)
            self._wake_all()

    def _pace_changed(self, key: LaneKey) -> None:
        """Follow what was learned about a lane, and have it kept."""
        self._lanes.use_learned(key, self._lessons.of(key))
        self._cut_allowances()
        self._pace_memory.changed(key)

    def _shard_of(self, address: str) -> int | None:
        ip = self._policy.ips.get(address)
        return None if ip is None else ip.shard

    def _cut_allowances(self) -> None:
        """Leave of today's warm-up allowances what replies taught."""
        for (address, provider), learned in self._lessons:
            ip = self._policy.ips.get(address)
            if ip is not None and ip.warmup is not None and learned.allowance_percent < 100:
                ip.warmup.cut(provider, learned.allowance_percent, learned.allowance_day)

    def _has_rows(self, feed: Feed) -> None:
        self._placement.has_rows(feed)

    def _wake_all(self) -> None:
        for queue in self._placement.queues.values():
            self.wake(queue)

    def _health_changed(self, home: ShardFeeds) -> None:
        """Go on where a shard's delivery had paused."""
        if home.is_sick:
            return
        for feed in list(home.feeds.values()):
            if feed.buffer:
                self._has_rows(feed)
        self._lanes.kick()

    async def _refill(self, allowance: Allowance) -> None:
        address = allowance.address
        try:
            await allowance.refill()
        except SpoolUnavailable as error:
            log.warning("allowance_unreadable address=%s reason=%s", address, error.reason)
            await asyncio.sleep(READ_AGAIN_SECONDS)
        for queue in self._placement.queues.values():
            if queue.pool.member(address) is not None:
                self.wake(queue)

    # Background work.

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
            waits = [self.options.longest_sleep]
            for home in self._homes.values():
                home.fall_due(now)
                if (at := home.next_timer_at()) is not None:
                    waits.append((at - now) / 1000)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(min(waits), 0.001)):
                    await self._timer.wait()

    async def _sweep(self) -> None:
        """Look at deadlines, missing addresses and queues that stand still."""
        while True:
            await asyncio.sleep(self.options.sweep_interval)
            now = self.clock.elapsed()
            self._lanes.check(now)
            self._lessons.rise(now)
            for ip in self._policy.ips.values():
                if now >= ip.recheck_at:
                    self.ip_missing(ip)
            self._placement.forget_unused()
            for queue in self._placement.queues.values():
                # Of a split queue one side may go on while the other is to be looked at.
                if queue.reason is not None or queue.old is not None:
                    self.wake(queue)
            self._lanes.forget_unused()

    async def _learn(self, home: ShardFeeds) -> None:
        """Find out what a shard holds, as soon as it can be read; first at what pace it may go."""
        while True:
            try:
                await self._pace_memory.restore(home)
                await home.learn()
                await follow_zone_rules(home, self.options.zone_rules, self.clock)
                return
            except SpoolUnavailable as error:
                home.trouble = error.reason
                log.warning("spool_unreadable shard=%d reason=%s", home.shard.number, error.reason)
                await asyncio.sleep(READ_AGAIN_SECONDS)

    async def _drain(self, settlers: Sequence[asyncio.Task[None]]) -> None:
        """Let what is on connections end within the grace, then store the outcomes."""
        self._lanes.close()
        if not await self._closed_within(self._grace):
            self._lanes.abort("stopped by the operator")
            await self._closed_within(ABORT_SECONDS)
        for settler in self._settlers.values():
            settler.finish()
        if settlers:
            _, unfinished = await asyncio.wait(settlers, timeout=SETTLE_SECONDS)
            if unfinished:
                log.error("stop_incomplete effect=outcomes_not_stored_messages_may_repeat")

    async def _closed_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._lanes.are_closed:  # noqa: ASYNC110 - once in a process's life
                    await asyncio.sleep(DRAIN_POLL_SECONDS)
        return self._lanes.are_closed


async def _guarded(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:
        log.exception("engine_task_failed")
