"""From the traffic at the old provider to a migration plan, with its range of uncertainty.

Nobody knows beforehand what a provider tolerates. So the controller that will run in earnest
(`warmup.py`) plays the warm-up against simulated providers, as different as they come
(`provider_family.py`); the plan is the middle of these runs, its range what eight of ten agree on.
A seed makes the plan repeatable. Plays are kept, since plans are made again with each change.

Shares are decided by a busy day, to which an IP has to be warmed; what goes on a day, and how fast
the warm-up proceeds, follows the weekdays' volumes where they are known.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache

from merpati.providers.directory import Directory
from merpati.reputation.course import FIRST_DAY, Controller, run
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
_WEEKDAY_STEPS = 5
_PLAYS_KEPT = 64  # volumes, seeds and weekdays
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
    volumes = [sum(demand.volume_on(day) for demand in demands) for day in _days(first)]
    half, most, whole = (_reached(first, totals, volumes, share) for share in (0.5, 0.9, _MOVED))
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
    plays = _plays(demand, seed) if pool.ips else ((0,),) * _RUNS
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
        volume = demand.volume_on(demand.pool.starts_on + timedelta(number - 1))
        ours = int(min(bound, volume * engaged_share(demand.engaged, number) * share / WHOLE))
        most = max(most, ours)
        yield _Moved(share, ours)


def _cell(demand: Demand, first: date, runs: Sequence[Sequence[_Moved]]) -> Cell:
    days = []
    volumes = [demand.volume_on(day) for day in _days(first)]
    for number, of_runs in enumerate(zip(*runs, strict=True)):
        ours = [day.ours for day in of_runs]
        days.append(
            PlannedDay(
                day=first + timedelta(number),
                volume=volumes[number],
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
        _reached(first, [[day.ours for day in run] for run in runs], volumes, _MOVED),
    )


def _days(first: date) -> list[date]:
    return [first + timedelta(number) for number in range(HORIZON)]


def _reached(
    first: date, runs: Sequence[Sequence[int]], volumes: Sequence[int], share: float
) -> Range:
    """Return when at least so much of a day's volume goes from here, over all runs."""
    numbers = [
        next(
            (
                number
                for number, (ours, volume) in enumerate(zip(run, volumes, strict=True))
                if volume and ours >= share * volume
            ),
            HORIZON,
        )
        for run in runs
    ]
    early, likely, late = (_quantile(numbers, share) for share in (_EARLY, _LIKELY, _LATE))
    return Range(*(first + timedelta(n) if n < HORIZON else None for n in (early, likely, late)))


def _quantile(values: Sequence[int], share: float) -> int:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _plays(demand: Demand, seed: int) -> tuple[tuple[int, ...], ...]:
    """Return what one IP may send on each day of each play, for a volume of about this."""
    messages_per_day = demand.target_per_day / demand.pool.ips
    steps = math.log(max(1.0, messages_per_day / _LEAST_VOLUME), _VOLUME_STEP)
    target = int(_LEAST_VOLUME * _VOLUME_STEP ** math.ceil(steps - 1e-9))
    weekdays = _coarse(demand.weekdays)
    # Where all days are alike the weekday of the first is all one.
    return _played(target, seed, weekdays, demand.pool.starts_on.weekday() if weekdays else 0)


def _coarse(weekdays: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Return weekdays' shares of the busiest, in steps, so that plays can be shared."""
    most = max(weekdays or (0,))
    if weekdays is None or not most:
        return None
    coarse = tuple(round(share / most * _WEEKDAY_STEPS) / _WEEKDAY_STEPS for share in weekdays)
    return coarse if min(coarse) < 1 else None


@lru_cache(_PLAYS_KEPT)
def _played(
    target: int, seed: int, weekdays: tuple[float, ...] | None, weekday: int
) -> tuple[tuple[int, ...], ...]:
    members = family("tuning", 2 * _RUNS, seed)
    return tuple(_play(member, target, weekdays, weekday) for member in members)


def _play(
    member: Member, target: int, weekdays: tuple[float, ...] | None, weekday: int
) -> tuple[int, ...]:
    """Return the mail that went through on each day until the target was reached, and after."""
    mailing = replace(
        member.mailing, target=target, weekend_share=1.0, weekdays=weekdays, demand_noise=0.0
    )
    first = FIRST_DAY + timedelta(weekday)
    course = run(replace(member, mailing=mailing), Controller(), HORIZON, _SLICES, first)
    went = [day.day.accepted for day in course]
    return (*went, target) if len(went) < HORIZON else tuple(went)
