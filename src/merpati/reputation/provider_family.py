"""A family of simulated providers, each with the mail of a customer, drawn from a seed.

Half of a family is for tuning; the other half is kept for the figures that are published.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Literal

from merpati.reputation.provider_model import Growth, Temper

Half = Literal["tuning", "final"]
FAMILY_SIZE = 400
SEED = 20_261
SATURDAY = 5  # as date.weekday() counts
_MOST_TARGET = 2_000_000
_HIGHEST_STEP = 8.0  # no provider lets mail grow by more at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """What a customer wants to send there. target: messages on a working day.

    weekend_share, demand_noise: of the target; weekdays: shares of it, Monday first, in the place
    of weekend_share. bad_list_on: number of the day on which an old list goes out, None: never;
    shares are of delivered (complaints) or attempted (hard bounces) mail.
    """

    target: int
    weekend_share: float
    demand_noise: float
    complaint_share: float
    hard_bounce_share: float
    bad_list_on: int | None
    bad_list_complaint_share: float
    bad_list_hard_bounce_share: float
    weekdays: tuple[float, ...] | None = None

    def share_on(self, weekday: int) -> float:
        """Return what a weekday, 0 for Monday, has of the target."""
        if self.weekdays is not None:
            return self.weekdays[weekday]
        return self.weekend_share if weekday >= SATURDAY else 1.0

    def complaint_share_on(self, day: int) -> float:
        """Return the share of a day's delivered mail that is complained of."""
        return self.bad_list_complaint_share if day == self.bad_list_on else self.complaint_share

    def hard_bounce_share_on(self, day: int) -> float:
        """Return the share of a day's attempts that name an unknown user."""
        is_bad = day == self.bad_list_on
        return self.bad_list_hard_bounce_share if is_bad else self.hard_bounce_share


@dataclass(frozen=True, slots=True)
class Member:
    """One of a family: a provider and a mailing; `seed` makes its chances repeatable."""

    number: int
    seed: int
    temper: Temper
    mailing: Mailing


def family(half: Half, size: int = FAMILY_SIZE, seed: int = SEED) -> list[Member]:
    """Return one half of a family of `size`. The halves share no member, and no random number."""
    random = Random(f"{seed} {half}")  # noqa: S311 (a simulation)
    return [_member(number, random) for number in range(size // 2)]


def _member(number: int, random: Random) -> Member:
    temper = _temper(number, random)
    return Member(number, random.getrandbits(48), temper, _mailing(temper, random))


def _temper(number: int, random: Random) -> Temper:
    growths = list(Growth)
    uniform, chance = random.uniform, random.random
    growth_per_day = uniform(1.15, 2.5)
    longest_step = max(1, int(math.log(_HIGHEST_STEP) / math.log(growth_per_day)))
    return Temper(
        growth=growths[number % len(growths)],  # each as often as any other
        start_per_day=math.exp(uniform(math.log(50), math.log(2_000))),
        growth_per_day=growth_per_day,
        needed_use=uniform(0.2, 0.8),
        window_days=min(random.randint(2, 5), longest_step),
        softness=uniform(0.05, 0.5) if chance() < 0.6 else 0.0,
        # One in six blocks with hardly a deferral before.
        block_at=uniform(1.02, 1.15) if chance() < 1 / 6 else uniform(1.2, 4.0),
        block_days=math.exp(uniform(math.log(0.15), math.log(4))),
        block_cost=uniform(0.4, 0.95),
        strain_cost=uniform(0.8, 1.0),
        patience=uniform(0.05, 0.5),
        strain_stops_growth=chance() < 0.5,
        complaint_limit=uniform(0.001, 0.005),
        complaint_cost=uniform(0.5, 0.95),
        reports_complaints=chance() < 0.7,
        background_deferral=uniform(0.0, 0.004) if chance() < 0.85 else uniform(0.004, 0.03),
        noise=uniform(0.0, 0.2),
        bucket_hours=uniform(1.0, 8.0) if chance() < 0.25 else None,
        is_slow=chance() < 0.12,
        memory_days=random.randint(14, 45),
    )


def _mailing(temper: Temper, random: Random) -> Mailing:
    uniform, chance = random.uniform, random.random
    days = uniform(8, 30)
    target = temper.start_per_day * temper.growth_per_day**days
    return Mailing(
        target=int(min(target, _MOST_TARGET)),
        weekend_share=uniform(0.1, 1.0) if chance() < 0.6 else 1.0,
        demand_noise=uniform(0.0, 0.15),
        complaint_share=math.exp(uniform(math.log(0.000_05), math.log(0.000_8))),
        hard_bounce_share=uniform(0.001, 0.015),
        bad_list_on=random.randint(1, 20) if chance() < 0.5 else None,
        bad_list_complaint_share=uniform(0.003, 0.015),
        bad_list_hard_bounce_share=uniform(0.05, 0.25),
    )
