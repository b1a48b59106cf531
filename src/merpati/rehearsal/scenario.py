"""What is rehearsed: a migration plan's mail met by the providers of a file, part by part.

A part is all mail to one provider: allowances, standing and queues are by provider, so parts do not
touch each other, may be played side by side, and come out the same however they are spread.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

from merpati.events.provider_days import old_way
from merpati.plans.migration.deciding import AS_USUAL, Ways
from merpati.providers.directory import Directory
from merpati.reputation.demand import Demand, demands_of
from merpati.reputation.migration_plan import OTHER, MigrationPlan, Traffic
from merpati.reputation.split import engaged_within
from merpati.sandbox.providers_file import PlayedProvider, ProvidersFile
from merpati.sandbox.texts import EVERYBODY

ACCOUNT_ID = 1
MOST_DAYS = 120
_FIRST_IP = "127.1.0.{}"  # of loopback, so that each host has it


class RehearsalError(Exception):
    """It cannot be rehearsed, or not to the end; `message` says why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Stream:
    """One pool's mail to the part's provider. planned: messages from here, day by day."""

    pool_id: int
    demand: Demand
    ips: tuple[str, ...]
    planned: tuple[int, ...]

    @property
    def old_way(self) -> str:
        """Return what stands for the old provider where its mail is counted."""
        return old_way(ACCOUNT_ID, self.demand.pool.name)

    def number_of(self, day: date) -> int:
        """Return which day of the pool it is, from 1; 0 and less: before it starts."""
        return (day - self.demand.pool.starts_on).days + 1

    def engaged_within(self, day: date) -> int | None:
        """Return how lately, in days, who gets mail from here must have engaged; None: whenever."""
        return engaged_within(self.number_of(day)) if self.demand.engaged is not None else None


@dataclass(frozen=True, slots=True)
class Part:
    """All mail to one provider; streams: by pool, those that have any."""

    number: int
    provider: PlayedProvider
    streams: tuple[Stream, ...]

    @property
    def messages_per_day(self) -> int:
        """Return the mail of a day, all pools together."""
        return sum(stream.demand.messages_per_day for stream in self.streams)


@dataclass(frozen=True, slots=True)
class Scenario:
    """All of it.

    ways: what the migration does about obstacles; knows_engagement: of some recipients it is known
    how lately they engaged; counts_old: mail that has not moved is counted, not sent; real_smtp:
    over sockets of this machine instead of memory.
    """

    file: ProvidersFile
    starts_on: date
    days: int
    seed: int
    parts: tuple[Part, ...]
    ips: dict[str, str] = field(default_factory=dict)  # address to what reports call it
    ways: Ways = AS_USUAL
    knows_engagement: bool = False
    counts_old: bool = False
    real_smtp: bool = False


def make_scenario(
    traffic: Traffic,
    plan: MigrationPlan,
    file: ProvidersFile,
    directory: Directory,
    *,
    days: int,
    seed: int,
    ways: Ways = AS_USUAL,
    counts_old: bool = False,
    real_smtp: bool = False,
) -> Scenario:
    """Return the parts of a plan.

    Raises RehearsalError for a provider that is not described, and a pool without sending IPs.
    """
    if lacking := [pool.name for pool in plan.pools if not pool.ips]:
        raise RehearsalError(
            f"no sending IP is in the pool {', '.join(lacking)}: add one (merpati ip add), or "
            "rehearse a CSV, whose plan says how many it takes"
        )
    traffic = _of_played(traffic, directory)
    addresses: dict[str, tuple[str, ...]] = {}
    names: dict[str, str] = {}
    for pool in plan.pools:
        own = [_FIRST_IP.format(len(names) + n + 1) for n in range(pool.ips)]
        names |= {ip: f"{pool.name} {n}" for n, ip in enumerate(own, 1)}
        addresses[pool.name] = tuple(own)
    pool_ids = {pool.name: number for number, pool in enumerate(plan.pools, 1)}
    by_provider: dict[str, list[Stream]] = {}
    for demand in demands_of(traffic, plan.pools, directory):
        played = _played(demand.provider, file)
        stream = Stream(
            pool_ids[demand.pool.name],
            demand,
            addresses[demand.pool.name],
            _planned(plan, demand, directory, days),
        )
        by_provider.setdefault(played.name, []).append(stream)
    parts = tuple(
        Part(number, provider, tuple(by_provider[provider.name]))
        for number, provider in enumerate(one for one in file.provider if one.name in by_provider)
    )
    return Scenario(
        file,
        plan.starts_on,
        days,
        seed,
        parts,
        names,
        ways,
        knows_engagement=any(flow.engaged for flow in traffic.flows),
        counts_old=counts_old,
        real_smtp=real_smtp,
    )


def _of_played(traffic: Traffic, directory: Directory) -> Traffic:
    """Return traffic by who plays it: all hosts that nobody knows are played as one provider."""
    flows = (replace(one, provider=_known(one.provider, directory)) for one in traffic.flows)
    return Traffic(tuple(flows))


def _known(provider: str, directory: Directory) -> str:
    return OTHER if directory.get(provider) is None else provider


def _played(provider: str, file: ProvidersFile) -> PlayedProvider:
    wanted = EVERYBODY if provider == OTHER else provider
    for one in file.provider:
        if one.like == wanted:
            return one
    raise RehearsalError(
        f"the plan has mail to {provider}, which the providers file does not describe: add a "
        f'[[provider]] with like = "{wanted}"'
    )


def _planned(
    plan: MigrationPlan, demand: Demand, directory: Directory, days: int
) -> tuple[int, ...]:
    """Return what is planned to go from here, day by day; the last one goes on."""
    planned = [0] * days
    for cell in plan.cells:
        if cell.pool == demand.pool.name and _known(cell.provider, directory) == demand.provider:
            for number in range(days):
                planned[number] += cell.days[min(number, len(cell.days) - 1)].ours
    return tuple(planned)
