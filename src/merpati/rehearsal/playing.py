"""Plays one part from its first day to its last, on virtual time.

What runs is the production engine (`delivery/`), spool (`spool/`), controller (`reputation/`) and
decisions (`plans/*/deciding.py`); what is played stands in `sandbox/`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import random as global_random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec

from merpati.contracts.sending_policy import DkimKey, Egress, SendingPolicy, TlsMode
from merpati.delivery.engine import Engine
from merpati.delivery.options import Options
from merpati.events.provider_days import number_of
from merpati.providers.directory import directory
from merpati.rehearsal.at_once import AtOnce
from merpati.rehearsal.books import Books
from merpati.rehearsal.mail import HOURS, Person, Recipients, batches
from merpati.rehearsal.network import Network
from merpati.rehearsal.result import COUNTED, PlayedDay, PlayedPart, PlayedStream
from merpati.rehearsal.scenario import ACCOUNT_ID, Part, RehearsalError, Scenario, Stream
from merpati.rehearsal.steering import (
    LOOKS_EVERY_MINUTES,
    SENDING_DOMAIN,
    Steering,
    first_allowance,
)
from merpati.rehearsal.virtual_time import VirtualClock, VirtualLoop
from merpati.sandbox.dialogue import Dialogue, Keep, Memory
from merpati.sandbox.dns_answers import DnsAnswers
from merpati.sandbox.opinions import Opinions
from merpati.sandbox.people import reaction
from merpati.sandbox.seen import Outcome, Try
from merpati.sandbox.smtp_server import MailHosts
from merpati.sandbox.texts import EVERYBODY, all_texts
from merpati.sandbox.world import MailHost, World, make_world
from merpati.spool.errors import SpoolError
from merpati.spool.shard import Shard

MINUTE = 60.0
DAY_MINUTES = 1_440
STOP_SECONDS = 60.0
_DNS = "127.0.0.1:53"  # of the simulated network
_TTL = 86_400  # seconds: the played providers do not move
_FIRST_HOST = "127.2.0.1"
_OLD_HOST = MailHost("smtp.old.test", "127.3.0.1", "", all_texts()[EVERYBODY])
_BLOCKLIST_MINUTES = 10

Progress = Callable[[int], None]
"""Called with the number of days that are over."""


def play(scenario: Scenario, part: Part, folder: Path, progress: Progress) -> PlayedPart:
    """Play a part in a folder of its own. Raises RehearsalError when it cannot go on."""
    began = time.process_time()
    gc.set_threshold(*_RARELY)
    # Where the engine leaves something to chance, as between hosts of equal preference.
    global_random.seed(f"{scenario.seed} {part.provider.name}")
    loop = VirtualLoop(has_sockets=scenario.real_smtp)
    try:
        asyncio.set_event_loop(loop)
        player = _Player(scenario, part, folder, loop)
        streams = loop.run_until_complete(player.run(progress))
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return PlayedPart(
        number=part.number,
        streams=streams,
        messages=player.books.ended.total(),
        cpu_seconds=time.process_time() - began,
    )


class _Player:
    def __init__(self, scenario: Scenario, part: Part, folder: Path, loop: VirtualLoop) -> None:
        self._scenario = scenario
        self._part = part
        self._loop = loop
        midnight = datetime.combine(scenario.starts_on, datetime.min.time(), UTC)
        self._clock = VirtualClock(loop, int(midnight.timestamp() * 1000))
        self._opinions = Opinions(scenario.file, scenario.seed, self._clock.now)
        self._people = Random(f"{scenario.seed} {part.provider.name} people")  # noqa: S311
        self._world = make_world(_FIRST_HOST, None, scenario.file)
        self._dns = _answers(self._world)
        self._memory = Memory(opinions=self._opinions)
        host = self._world.domains[part.provider.domains[0].lower()]
        provider = directory().provider_id(host.name)
        spool = folder / "spool"
        self._shard = Shard(spool, 0, self._clock, reserve_bytes=0, make_writer=AtOnce)
        self.books = Books(spool, self._shard, provider, first_allowance())
        self._provider = provider
        self._recipients = {
            stream.pool_id: Recipients(stream, part.provider.domains) for stream in part.streams
        }
        self._version = 0

    async def run(self, progress: Progress) -> list[PlayedStream]:
        async with contextlib.AsyncExitStack() as stack:
            port, old_port = await stack.enter_async_context(self._hosts())
            self._steering = self._steered(old_port)
            engine = self._engine(port)
            running = asyncio.create_task(engine.run())
            try:
                played = [await self._day(engine, n, progress) for n in range(self._scenario.days)]
            except SpoolError as error:
                raise _spoilt(str(error)) from None
            finally:
                engine.stop(STOP_SECONDS)
                await running
                await self.books.read()
                await self._shard.close()
                self.books.close()
        return [
            PlayedStream(
                pool=stream.demand.pool.name,
                provider=self._part.provider.name,
                sending_ips=[self._scenario.ips[ip] for ip in stream.ips],
                messages_per_day=stream.demand.messages_per_day,
                days=self._with_counts(stream, [day[stream.pool_id] for day in played]),
            )
            for stream in self._part.streams
        ]

    @contextlib.asynccontextmanager
    async def _hosts(self) -> AsyncIterator[tuple[int, int]]:
        """Have the part's mail hosts and the old provider listen, in memory or on sockets.

        Gives their ports. The old provider takes whatever it gets.
        """
        takes_all = Memory()
        hosts = {host.address: (host, self._memory) for host in self._world.hosts}
        hosts[_OLD_HOST.address] = _OLD_HOST, takes_all

        def answer(address: str, source: str) -> Dialogue | None:
            if address not in hosts:
                return None
            host, memory = hosts[address]
            return Dialogue(host, source, memory, offers_starttls=True)

        self._loop.network = Network(answer, self._dns, self._kept)
        if not self._scenario.real_smtp:
            yield 25, 25
            return
        own = [host for host in self._world.hosts if host.provider == self._part.provider.like]
        # Without STARTTLS: a certificate says nothing about warm-up.
        servers = MailHosts(own, _unheard, memory=self._memory, got=self._got)
        old = MailHosts([_OLD_HOST], _unheard, memory=takes_all)
        async with servers.listening(0) as port, old.listening(0) as old_port:
            yield port, old_port

    def _steered(self, old_port: int) -> Steering:
        egress = Egress(1, ACCOUNT_ID, "old", _OLD_HOST.address, old_port, TlsMode.NONE)
        return Steering(
            self._part.streams,
            self._provider,
            self.books,
            egress=egress,
            ways=self._scenario.ways,
            dkim_key=_dkim_key(),
            knows_engagement=self._scenario.knows_engagement,
        )

    def _engine(self, port: int) -> Engine:
        options = Options(
            dns_servers=(_DNS,),
            port=port,
            allow_private=(ipaddress.ip_network("127.0.0.0/8"),),
            settle_interval=MINUTE,
            sweep_interval=5 * MINUTE,
            longest_sleep=10 * MINUTE,
            missing_ip_recheck=DAY_MINUTES * MINUTE,
            compose_threads=1,
            signs=False,
        )
        return Engine(
            [self._shard],
            self._clock,
            options,
            bytes,
            bytes(32),
            suppressions=_UnknownUsers(self.books),
        )

    # A day.

    async def _day(self, engine: Engine, number: int, progress: Progress) -> dict[int, PlayedDay]:
        today = self._scenario.starts_on + timedelta(number)
        await self.books.read()
        self._use(engine, self._steering.begin_day(today))
        mail = {stream.pool_id: self._mail(stream, today) for stream in self._part.streams}
        for minute in range(DAY_MINUTES):
            if minute % 60 == 0 and minute // 60 in HOURS:
                for stream in self._part.streams:
                    await self._inject(stream, _share_of(mail[stream.pool_id].sent, minute // 60))
            if minute % _BLOCKLIST_MINUTES == 0:
                self._opinions.blocklists.publish(self._dns, self._clock.now())
            await asyncio.sleep(self._until(number, minute + 1))
            await self._look(engine, today, minute + 1)
        progress(number + 1)
        return {
            stream.pool_id: self._played(stream, number, today, mail[stream.pool_id])
            for stream in self._part.streams
        }

    def _mail(self, stream: Stream, today: date) -> _Mail:
        """Return a stream's mail of a day; that which is only counted goes into the books."""
        recipients = self._recipients[stream.pool_id]
        people = recipients.known(today, self.books.unknown_users)
        moved = recipients.moved(people, self._steering.shares[stream.pool_id].share, today)
        if not self._scenario.counts_old:
            return _Mail(len(people), len(moved), people)
        self.books.went_old(stream, self._clock.now(), len(people) - len(moved))
        return _Mail(len(people), len(moved), moved)

    def _until(self, number: int, minute: int) -> float:
        """Return the seconds until a minute begins; the last ends a moment before midnight."""
        end = (number * DAY_MINUTES + minute) * MINUTE
        return end - self._loop.time() - (_MOMENT if minute == DAY_MINUTES else 0)

    async def _look(self, engine: Engine, today: date, minute: int) -> None:
        await self.books.read()
        if (trouble := self._shard.status().trouble) != "":
            raise _spoilt(trouble)
        is_due = minute % LOOKS_EVERY_MINUTES == 0
        if is_due:
            await self.books.trim()
        if minute < DAY_MINUTES:
            now = self._clock.now()
            self._use(engine, self._steering.within_day(today, now, is_due=is_due))

    def _use(self, engine: Engine, policy: SendingPolicy | None) -> None:
        if policy is not None:
            self._version = policy.version
            engine.use_policy(policy)

    async def _inject(self, stream: Stream, people: Sequence[Person]) -> None:
        for batch in batches(stream, people, self._version, self._clock.now()):
            await self._shard.append(batch)

    def _played(self, stream: Stream, number: int, today: date, mail: _Mail) -> PlayedDay:
        """Return a day as far as only its end knows it; counts come once all is settled."""
        ways = [self._steering.ways[ip] for ip in stream.ips]
        reason = ways[0].level.reason if ways else None
        share = self._steering.shares[stream.pool_id]
        return PlayedDay(
            day=today.isoformat(),
            wanted=mail.wanted,
            share=share.share,
            share_kind=share.kind.value,
            share_facts=dict(share.facts),
            planned=stream.planned[number],
            moved=mail.moved,
            engaged_within=stream.engaged_within(today),
            allowance=sum(way.level.messages_per_day for way in ways),
            tolerance=sum(self._opinions.tolerance(self._part.provider, ip) for ip in stream.ips),
            kind=reason.kind.value if reason else "",
            facts=dict(reason.facts) if reason else {},
            turns=[turn for turn in self._steering.turns if turn.sending_ip in stream.ips],
        )

    def _with_counts(self, stream: Stream, days: list[PlayedDay]) -> list[PlayedDay]:
        waiting, counted = 0, []
        for one in days:
            day = date.fromisoformat(one.day)
            rows = [self.books.row(ip, day) for ip in stream.ips]
            totals = {name: sum(getattr(row, name) for row in rows) for name in COUNTED}
            waiting += one.wanted
            waiting -= self.books.ended[stream.demand.pool.name, number_of(day)]
            old = self.books.row(stream.old_way, day).delivered
            counted.append(msgspec.structs.replace(one, old=old, waiting=waiting, **totals))
        return counted

    # What the providers' people do.

    def _kept(self, keep: Keep) -> None:
        for seen in keep.tries:
            if seen.outcome is Outcome.ACCEPTED and seen.host != _OLD_HOST.name:
                self._got(seen, b"")

    def _got(self, seen: Try, _: bytes) -> None:
        provider = self._part.provider
        drawn = reaction(provider, self._people)
        if drawn.is_opened:
            self.books.opened(seen.from_ip, self._clock.now())
        if drawn.complains_after is not None:
            self._loop.call_later(drawn.complains_after, self._complain, seen.from_ip)

    def _complain(self, sending_ip: str) -> None:
        provider = self._part.provider
        self._opinions.complain(provider, sending_ip)
        if provider.feedback_loop:
            self.books.complaint(sending_ip, self._clock.now())


@dataclass(frozen=True, slots=True)
class _Mail:
    """A stream's mail of a day: how much, how much of it is ours, and what goes to the engine."""

    wanted: int
    moved: int
    sent: Sequence[Person]


class _UnknownUsers:
    """The suppression list: whom a provider did not know, as the bounce rule has it."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def among(
        self, account_id: int, addresses: Sequence[str], transactional: bool
    ) -> Mapping[str, str]:
        return {one: "Bounce Rule" for one in addresses if one in self._books.unknown_users}


def _spoilt(trouble: str) -> RehearsalError:
    return RehearsalError(
        f"the rehearsal's spool cannot be written: {trouble}; give it room, or another folder with "
        "--work"
    )


_RARELY = (100_000, 20, 20)  # garbage is looked for: there is next to none
_MOMENT = 0.5  # seconds before midnight, at which a day's counts are taken


def _unheard(_: Try) -> None:
    """Hear of a try, for no use."""


def _share_of(people: Sequence[Person], hour: int) -> Sequence[Person]:
    """Return those whose mail comes in an hour: every so-many-th."""
    return people[HOURS.index(hour) :: len(HOURS)]


def _answers(world: World) -> DnsAnswers:
    answers = DnsAnswers()
    answers.ttl = _TTL
    for record in world.records:
        answers.add(record.name, record.type, record.value)
    return answers


def _dkim_key() -> DkimKey:
    """Return what gives the account a right to its domain; nothing is signed with it."""
    return DkimKey(ACCOUNT_ID, SENDING_DOMAIN, SENDING_DOMAIN, "rehearsal", b"", "ed25519")
