"""From the traffic at the old provider to a migration plan, with its range of uncertainty.

Nobody knows beforehand what a provider tolerates. So the controller that will run in earnest
(`warmup.py`) plays the warm-up against simulated providers, as different as they come
(`provider_family.py`); the plan is the middle of these runs, its range what eight of ten agree on.
A seed makes the plan repeatable. Plays are kept, since plans are made again with each change.

Weekdays are taken as equal: volumes are those of a busy day, to which an IP has to be warmed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache

from merpati.providers.directory import Directory
from merpati.reputation.course import Controller, run
from merpati.reputation.demand import Demand, demands_of
from merpati.reputation.first_steps import first_steps, last_step
from merpati.reputation.migration_plan import (
    WHOLE,
    Cell,
    MigrationPlan,
    Note,
    PlannedDay,
    Pool,
    Range,
    Traffic,
)
from merpati.reputation.pool_layout import KEEPS_AN_IP_WARM, MOST_PER_DAY, pools_for
from merpati.reputation.provider_family import SEED, Member, family
from merpati.reputation.split import engaged_share, share_after, without_leap
from merpati.reputation.traffic_csv import InvalidTraffic, Problem, ProblemKind

HORIZON = 90  # days that are simulated
_RUNS = 20
_SLICES = 12  # of a day; coarser than in the benchmark, for a plan is made while somebody waits
_VOLUME_STEP = 4  # plays are shared by volumes up to so many times as large
_LEAST_VOLUME = 100
_PLAYS_KEPT = 64  # volumes and seeds
_MOVED = 0.98  # of a day's mail: chance moves the rest
_EARLY, _LIKELY, _LATE = 0.1, 0.5, 0.9


@dataclass(frozen=True, slots=True)
class _Moved:
    """One day of one run: who has moved, and how much of it goes."""

    share: int
    ours: int


def plan_for(
    traffic: Traffic,
    starts_on: date,
    today: date,
    providers: Directory,
    *,
    pools: Sequence[Pool] | None = None,
    seed: int = SEED,
) -> MigrationPlan:
    """Return the plan. pools: those that are there; None: those that are best.

    Raises InvalidTraffic when it starts in the past or is more than six sending IPs can carry.
    """
    _check(traffic, starts_on, today)
    pools = pools_for(traffic, starts_on) if pools is None else pools
    first = min(pool.starts_on for pool in pools)
    demands = demands_of(traffic, pools, providers)
    runs = [_runs(demand, first, seed) for demand in demands]
    cells = tuple(_cell(demand, first, of_it) for demand, of_it in zip(demands, runs, strict=True))
    totals = [
        [sum(cell[run][day].ours for cell in runs) for day in range(HORIZON)]
        for run in range(_RUNS)
    ]
    now = sum(demand.messages_per_day for demand in demands)
    half, most, whole = (_reached(first, totals, share * now) for share in (0.5, 0.9, _MOVED))
    steps = list(first_steps(traffic, pools, first, providers))
    if (end := whole.late or whole.likely) is not None:
        steps.append(last_step(end))
    return MigrationPlan(
        first, tuple(pools), cells, half, most, whole, tuple(steps), _notes(traffic, pools, cells)
    )


def _check(traffic: Traffic, starts_on: date, today: date) -> None:
    if starts_on < today:
        facts: dict[str, int | str] = {"found": f"{starts_on}", "today": f"{today}"}
        raise InvalidTraffic([Problem(0, "starts_on", ProblemKind.PAST, facts)])
    if traffic.target_per_day > MOST_PER_DAY:
        facts = {"target": traffic.target_per_day, "most": MOST_PER_DAY}
        raise InvalidTraffic([Problem(0, "target_per_day", ProblemKind.TOO_MUCH, facts)])


def _notes(traffic: Traffic, pools: Sequence[Pool], cells: Sequence[Cell]) -> tuple[Note, ...]:
    notes = {
        Note.LITTLE_MAIL: traffic.target_per_day < KEEPS_AN_IP_WARM,
        Note.NO_ENGAGEMENT: all(flow.engaged is None for flow in traffic.flows),
        Note.NO_IPS: any(pool.ips == 0 for pool in pools),
        Note.NOT_WITHIN: any(cell.done.late is None for cell in cells),
    }
    return tuple(note for note, is_so in notes.items() if is_so)


def _runs(demand: Demand, first: date, seed: int) -> list[list[_Moved]]:
    """Return each run's days of one pool at one provider."""
    pool = demand.pool
    plays = _plays(demand.target_per_day / pool.ips, seed) if pool.ips else ((0,),) * _RUNS
    # Each cell takes the members in another order, so that it is not one that is slow everywhere.
    turn = sum(map(ord, f"{pool.name} {demand.provider}")) % _RUNS
    idle = (pool.starts_on - first).days
    return [
        [*[_Moved(0, 0)] * idle, *_moved(demand, [pool.ips * went for went in play])][:HORIZON]
        for play in (*plays[turn:], *plays[:turn])
    ]


def _moved(demand: Demand, allowances: Sequence[int]) -> Iterator[_Moved]:
    """Yield each day of a pool, were these its allowances; the last goes on for ever."""
    now, share, most = demand.messages_per_day, 0, 0
    for number in range(1, HORIZON + 1):
        allowance = allowances[min(number, len(allowances)) - 1]
        bound = without_leap(allowance, most, demand.most_growth)
        share = share_after(share, bound, now, demand.engaged, number) if demand.pool.ips else 0
        ours = int(min(bound, now * engaged_share(demand.engaged, number) * share / WHOLE))
        most = max(most, ours)
        yield _Moved(share, ours)


def _cell(demand: Demand, first: date, runs: Sequence[Sequence[_Moved]]) -> Cell:
    days = []
    for number, of_runs in enumerate(zip(*runs, strict=True)):
        ours = [day.ours for day in of_runs]
        days.append(
            PlannedDay(
                day=first + timedelta(number),
                share=_quantile([day.share for day in of_runs], _LIKELY),
                ours=_quantile(ours, _LIKELY),
                ours_low=_quantile(ours, _EARLY),
                ours_high=_quantile(ours, _LATE),
            )
        )
    return Cell(
        demand.pool.name,
        demand.provider,
        demand.messages_per_day,
        demand.target_per_day,
        tuple(days),
        _reached(
            first, [[day.ours for day in run] for run in runs], _MOVED * demand.messages_per_day
        ),
    )


def _reached(first: date, runs: Sequence[Sequence[int]], messages: float) -> Range:
    """Return from when on so many go from here on a day, over all runs."""
    numbers = [
        next((number for number, ours in enumerate(run) if ours >= messages), HORIZON)
        for run in runs
    ]
    early, likely, late = (_quantile(numbers, share) for share in (_EARLY, _LIKELY, _LATE))
    return Range(*(first + timedelta(n) if n < HORIZON else None for n in (early, likely, late)))


def _quantile(values: Sequence[int], share: float) -> int:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _plays(messages_per_day: float, seed: int) -> tuple[tuple[int, ...], ...]:
    """Return what one IP may send on each day of each play, for a volume of about this."""
    steps = math.log(max(1.0, messages_per_day / _LEAST_VOLUME), _VOLUME_STEP)
    return _played(int(_LEAST_VOLUME * _VOLUME_STEP ** math.ceil(steps - 1e-9)), seed)


@lru_cache(_PLAYS_KEPT)
def _played(target: int, seed: int) -> tuple[tuple[int, ...], ...]:
    return tuple(_play(member, target) for member in family("tuning", 2 * _RUNS, seed))


def _play(member: Member, target: int) -> tuple[int, ...]:
    """Return the mail that went through on each day until the target was reached, and after."""
    mailing = replace(member.mailing, target=target, weekend_share=1.0, demand_noise=0.0)
    course = run(replace(member, mailing=mailing), Controller(), HORIZON, _SLICES)
    went = [day.day.accepted for day in course]
    return (*went, target) if len(went) < HORIZON else tuple(went)
