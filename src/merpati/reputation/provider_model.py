"""How a mailbox provider tolerates a new sending IP: a model to try warm-up and plans against.

Nobody publishes these rules, so the model has several, wide apart: how tolerance grows (`Growth`),
how a day's mail is counted, where deferrals turn into a block, what that costs, how soon it comes.
The controller in `warmup.py` knows none of it. Chance comes from the generator that is passed in.

Source: the behaviours that providers and senders describe (Google's and Microsoft's sender
guidelines, SparkPost's and Braze's warm-up guides); the numbers are our own.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from random import Random

HOURS = 24
_NORMAL_ENOUGH = 12.0  # expected count above which a binomial is drawn as a normal one
_IDLE_DAYS_FREE = 3  # a weekend costs nothing
_IDLE_COST = 0.93  # what each further idle day leaves of the tolerance
_COMPLAINTS_TO_JUDGE = 3  # fewer in a day are chance
_WORST = 0.5  # tolerance never falls below this share of a new sender's
_OFFENCE_MEMORY = 0.9  # what a day leaves of the weight of an old offence


class Growth(Enum):
    """What makes tolerance grow from one day to the next."""

    EARNED = "earned"  # a day well used and clean
    ROLLING = "rolling"  # towards a multiple of the mean of the last days' accepted mail
    CALENDAR = "calendar"  # any day with some mail
    STEPPED = "stepped"  # it stands still for some well-used days, then jumps
    COMPLAINTS = "complaints"  # earned, but the less the nearer complaints are to the limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Temper:
    """How one provider tolerates. Shares are of 1, tolerance is in messages a day.

    needed_use: share of the tolerance that a day must use to earn the whole growth;
    window_days: of a rolling mean, or between two steps;
    softness: deferrals begin at the tolerance and are certain when mail exceeds it by this share;
    block_at: multiple of the tolerance at which deferral turns into a block;
    block_cost, strain_cost, complaint_cost: what is left of the tolerance after a block, after a
    day that strained it by all of it, after a day with too many complaints;
    patience: strain forgiven, as a share of the tolerance;
    strain_stops_growth: no growth on a day that strained it more than that;
    bucket_hours: mail is counted in a bucket of so many hours' tolerance, None: by the day;
    is_slow: takes everything, and judges after midnight;
    noise: standard deviation of the day's tolerance, as a logarithm.
    """

    growth: Growth
    start_per_day: float
    growth_per_day: float
    needed_use: float
    window_days: int
    softness: float
    block_at: float
    block_days: float
    block_cost: float
    strain_cost: float
    patience: float
    strain_stops_growth: bool
    complaint_limit: float
    complaint_cost: float
    reports_complaints: bool
    background_deferral: float
    noise: float
    bucket_hours: float | None
    is_slow: bool
    memory_days: int


class Answer(Enum):
    """What one attempt came to; BUSY: deferred, as everybody is now and then."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BUSY = "busy"
    BLOCKED = "blocked"
    HARD_BOUNCED = "hard_bounced"


@dataclass(frozen=True, slots=True)
class Answers:
    """How many of some attempts ended how."""

    delivered: int = 0
    deferred: int = 0
    blocked: int = 0
    hard_bounced: int = 0


class Provider:
    """One simulated provider and what it thinks of one sending IP.

    Call `begin_day`, then `answer` with hours that do not go back, then `end_day`; days on which
    nothing is sent are begun and ended too. `tolerance` is today's, for the oracle and for charts.
    """

    def __init__(self, temper: Temper, random: Random) -> None:
        self._temper = temper
        self._random = random
        self._level = temper.start_per_day
        before = [temper.growth_per_day**-ago for ago in range(temper.window_days, 0, -1)]
        self._recent = deque(temper.start_per_day * share for share in before)
        self._well_used = 0.0
        self._day = -1
        self._idle_days = 0
        self._shut_until = 0.0  # in hours since the first day began
        self._offences = 0.0
        self._counted = 0.0
        self._drained_at = 0.0
        self._attempted = 0
        self._delivered = 0
        self._unknown_users = 0
        self.tolerance = self._level

    def begin_day(self) -> None:
        """Start the next day: draw its tolerance."""
        self._day += 1
        self._counted = self._counted if self._temper.bucket_hours else 0.0
        self._drained_at -= HOURS
        self._attempted = 0
        self._delivered = 0
        self._unknown_users = 0
        self.tolerance = max(1.0, self._level * math.exp(self._random.gauss(0, self._temper.noise)))

    @property
    def comfortable(self) -> int:
        """Return what may be sent today, evenly, without any deferral that reputation causes."""
        return max(1, int(self.tolerance))

    def answer(self, messages: int, hour: float, hard_bounce_share: float = 0.0) -> Answers:
        """Answer some attempts at an hour of today (0 to 24)."""
        temper, now = self._temper, self._day * HOURS + hour
        self._attempted += messages
        if now < self._shut_until:
            answers = Answers(blocked=messages)
        else:
            greylisted = _binomial(self._random, messages, temper.background_deferral)
            unknown = _binomial(self._random, messages - greylisted, hard_bounce_share)
            known = messages - greylisted - unknown
            deferred, blocked = self._strained(messages - greylisted, hour)
            # Whom a provider turns away it does not tell whether the user exists.
            unknown = min(unknown, known + unknown - deferred - blocked)
            answers = Answers(
                messages - greylisted - unknown - deferred - blocked,
                greylisted + deferred,
                blocked,
                unknown,
            )
        self._delivered += answers.delivered
        self._unknown_users += answers.hard_bounced
        return answers

    def answer_one(self, hour: float, is_unknown_user: bool = False) -> Answer:
        """Answer one attempt, as `answer` does many; what is a share there is a chance here."""
        self._attempted += 1
        if self._day * HOURS + hour < self._shut_until:
            return Answer.BLOCKED
        if self._random.random() < self._temper.background_deferral:
            return Answer.BUSY
        deferred, blocked = self._strained(1, hour, self._by_chance)
        if blocked:
            return Answer.BLOCKED
        if deferred:
            return Answer.DEFERRED
        if is_unknown_user:
            self._unknown_users += 1
            return Answer.HARD_BOUNCED
        self._delivered += 1
        return Answer.DELIVERED

    def _by_chance(self, share: float) -> int:
        return int(share > 0 and self._random.random() < share)

    def _strained(
        self, messages: int, hour: float, whole: Callable[[float], int] = round
    ) -> tuple[int, int]:
        """Count attempts against the tolerance; return how many were deferred and blocked."""
        temper = self._temper
        if temper.is_slow:
            return 0, 0
        counted, limit = self._drained(hour), self.tolerance
        if temper.bucket_hours is not None:
            limit *= temper.bucket_hours / HOURS
        deferred = whole(
            _deferred_until(counted + messages, limit, temper.softness)
            - _deferred_until(counted, limit, temper.softness)
        )
        over = self._attempted - temper.block_at * self.tolerance
        blocked = 0
        if over >= 1:
            blocked = min(messages, math.ceil(over))
            self._block(hour)
        deferred = min(deferred, messages - blocked)
        # A bucket fills with what was taken, a day's count with what was tried.
        self._counted += messages if temper.bucket_hours is None else messages - deferred
        return deferred, blocked

    def _drained(self, hour: float) -> float:
        """Let a bucket drain since the last attempt; return what counts against the limit."""
        if self._temper.bucket_hours is not None:
            drained = self.tolerance / HOURS * (hour - self._drained_at)
            self._counted = max(0.0, self._counted - drained)
            self._drained_at = hour
        return self._counted

    def _block(self, hour: float) -> None:
        length = self._temper.block_days * (1 + min(1.0, self._offences))
        self._shut_until = self._day * HOURS + hour + length * HOURS
        self._offences += 1
        self._scale(self._temper.block_cost)

    def _scale(self, factor: float) -> None:
        """Lower the tolerance, though never far below what a stranger is given."""
        factor = max(factor, min(1.0, _WORST * self._temper.start_per_day / self._level))
        self._level *= factor
        self._recent = deque(sent * factor for sent in self._recent)

    def end_day(self, complaint_share: float = 0.0, complaints: int | None = None) -> int:
        """End the day, form an opinion, return the complaints that the day's mail brings.

        complaints: how many there were, when they are known; else a share of what was delivered.
        """
        temper = self._temper
        if complaints is None:
            complaints = _binomial(self._random, self._delivered, complaint_share)
        self._offences *= _OFFENCE_MEMORY
        if self._attempted == 0:
            self._idle()
            return 0
        self._idle_days = 0
        accepted = self._delivered + self._unknown_users
        was_shut = accepted == 0
        too_many = (
            complaints >= _COMPLAINTS_TO_JUDGE
            and complaints > temper.complaint_limit * self._delivered
        )
        strain = (
            0.0 if was_shut else max(0.0, self._attempted / self.tolerance - 1 - temper.patience)
        )
        stands_still = was_shut or too_many or (strain > 0 and temper.strain_stops_growth)
        if not stands_still:
            self._grow(accepted, complaints / max(1, self._delivered))
        if strain:
            self._scale(temper.strain_cost ** min(1.0, strain))
        if too_many:
            self._scale(temper.complaint_cost)
        if temper.is_slow and self._attempted > temper.block_at * self.tolerance and not was_shut:
            self._block(HOURS)
        return complaints if temper.reports_complaints else 0

    def _grow(self, accepted: int, complaint_share: float) -> None:
        temper = self._temper
        use = min(1.0, accepted / self.tolerance / temper.needed_use)
        match temper.growth:
            case Growth.EARNED:
                self._level *= temper.growth_per_day**use
            case Growth.COMPLAINTS:
                ease = max(0.0, 1 - complaint_share / temper.complaint_limit)
                self._level *= temper.growth_per_day ** (use * ease)
            case Growth.CALENDAR:
                self._level *= temper.growth_per_day
            case Growth.STEPPED:
                self._well_used += use
                if self._well_used >= temper.window_days:
                    self._well_used = 0.0
                    self._level *= temper.growth_per_day**temper.window_days
            case Growth.ROLLING:
                self._recent.append(accepted)
                self._recent.popleft()
                usual = sum(self._recent) / len(self._recent)
                # So that a sender who uses `needed_use` of it each day sees the whole growth.
                ages = range(temper.window_days)
                shrunk = sum(temper.growth_per_day**-age for age in ages) / temper.window_days
                borne = temper.growth_per_day * usual / shrunk / temper.needed_use
                highest = self._level * temper.growth_per_day
                self._level = max(temper.start_per_day, min(highest, borne))

    def _idle(self) -> None:
        self._idle_days += 1
        if self._idle_days >= self._temper.memory_days:
            self._scale(self._temper.start_per_day / self._level)
        elif self._idle_days > _IDLE_DAYS_FREE:
            self._scale(_IDLE_COST)


def _deferred_until(counted: float, limit: float, softness: float) -> float:
    """Return how many of the first `counted` attempts are deferred: none, ever more, all."""
    over, slope = max(0.0, counted - limit), limit * softness
    return over - slope / 2 if over >= slope else over**2 / (2 * slope)


def _binomial(random: Random, count: int, share: float) -> int:
    """Draw how many of `count` have a property that each has with probability `share`."""
    expected = count * share
    if expected <= 0:
        return 0
    if expected > _NORMAL_ENOUGH:
        return min(count, max(0, round(random.gauss(expected, math.sqrt(expected * (1 - share))))))
    # Poisson, by the waiting times between events.
    drawn, waited = 0, random.expovariate(1)
    while waited < expected:
        drawn, waited = drawn + 1, waited + random.expovariate(1)
    return min(count, drawn)
