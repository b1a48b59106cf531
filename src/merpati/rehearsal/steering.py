"""Who decides during a rehearsal: the daily step and the pace within the day, as in production.

The decisions are `plans/warmup/deciding.py` and `reputation/share_decision.py`; here they become a
sending policy, as `sending/policy.py` makes one of what `plans/` wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from merpati.contracts.sending_policy import (
    Account,
    DkimKey,
    Pool,
    ProviderAllowance,
    SendingIp,
    SendingPolicy,
)
from merpati.events.provider_days import number_of
from merpati.plans.warmup.deciding import level_for, pace_for
from merpati.rehearsal.books import Books
from merpati.rehearsal.result import Turn
from merpati.rehearsal.scenario import Stream
from merpati.reputation.allowance import Allowance
from merpati.reputation.reason import Kind, Reason
from merpati.reputation.reason_words import in_words
from merpati.reputation.share_decision import ShareDecision, ShareKind, decide
from merpati.reputation.warmup import next_allowance

ACCOUNT_ID = 1
BOUNCE_DOMAIN = "bounce.rehearsal.test"
SENDING_DOMAIN = "rehearsal.test"
_NO_TARGET = 2**31 - 1
LOOKS_EVERY_MINUTES = 30  # also when nothing was refused meanwhile


def first_allowance() -> int:
    """Return what a provider gets that nothing is known of."""
    return next_allowance((), _NO_TARGET).messages_per_day


@dataclass(slots=True)
class Way:
    """What one sending IP may send to the part's provider now."""

    level: Allowance
    messages_per_hour: int | None = None
    paused_until: int = 0
    reason: Reason = field(default_factory=lambda: Reason(Kind.EVEN, {}))
    refused: int = 0  # when its pace was decided


class Steering:
    """The decisions of one part."""

    def __init__(
        self,
        streams: Sequence[Stream],
        provider: str,
        books: Books,
        shard: int,
        dkim_key: DkimKey,
    ) -> None:
        nobody = ShareDecision(0, ShareKind.NO_IPS, {})
        self.shares = dict.fromkeys((stream.pool_id for stream in streams), nobody)
        self.ways: dict[str, Way] = {}
        self.turns: list[Turn] = []  # of today
        self._streams = streams
        self._provider = provider
        self._books = books
        self._account = Account(ACCOUNT_ID, shard, streams[0].pool_id)
        self._dkim_key = dkim_key
        self._version = 0

    def begin_day(self, today: date, number: int) -> SendingPolicy:
        """Decide a day's allowances and shares. number: of the plan's day, from 1."""
        self.turns = []
        for stream in self._streams:
            if not stream.ips:
                continue
            target = max(1, stream.demand.target_per_day // len(stream.ips))
            for ip in stream.ips:
                level = level_for(self._books.history(ip, today), target)
                self.ways[ip] = Way(level, reason=level.reason)
                self._books.levels.setdefault(ip, {})[today] = level.messages_per_day
            self._decide_share(stream, number, today)
        return self._policy(today)

    def _decide_share(self, stream: Stream, number: int, today: date) -> None:
        days = self._books.days(stream.ips)
        yesterday = days.get(today - timedelta(days=1))
        pool_id = stream.pool_id
        self.shares[pool_id] = decide(
            stream.demand,
            number,
            self.shares[pool_id].share,
            allowance=sum(self.ways[ip].level.messages_per_day for ip in stream.ips),
            most_before=max((day.attempted for day in days.values()), default=0),
            yesterday=yesterday if yesterday is not None and yesterday.attempted else None,
        )

    def within_day(self, today: date, now: int, *, is_due: bool) -> SendingPolicy | None:
        """Decide paces anew where more was refused, and all when it is due; None: no change."""
        changed = False
        for ip, way in self.ways.items():
            row = self._books.row(ip, today)
            if not (is_due or row.refused > way.refused) or not row.attempted:
                continue
            way.refused = row.refused
            changed |= self._repace(ip, way, today, now)
        return self._policy(today) if changed else None

    def _repace(self, ip: str, way: Way, today: date, now: int) -> bool:
        """Decide an IP's pace; return whether it changed."""
        so_far = self._books.today(ip, today, way.level.messages_per_day)
        pace = pace_for(self._books.history(ip, today), so_far)
        if pace is None:
            wanted: tuple[int | None, int] = None, 0
            reason = way.level.reason
        elif pace.messages_per_hour:
            wanted, reason = (pace.messages_per_hour, 0), pace.reason
        else:
            until = pace.until or datetime.combine(today + timedelta(days=1), time(), UTC)
            wanted, reason = (None, int(until.timestamp() * 1000)), pace.reason
        if wanted == (way.messages_per_hour, way.paused_until):
            return False
        way.messages_per_hour, way.paused_until = wanted
        way.reason = reason
        per_hour = 0 if way.paused_until else way.messages_per_hour
        self.turns.append(Turn(now, ip, per_hour, reason.kind.value, dict(reason.facts)))
        return True

    def _policy(self, today: date) -> SendingPolicy:
        self._version += 1
        pools = [
            Pool(
                stream.pool_id,
                ACCOUNT_ID,
                stream.demand.pool.name,
                [self._sending_ip(ip, today) for ip in stream.ips],
            )
            for stream in self._streams
        ]
        return SendingPolicy(self._version, BOUNCE_DOMAIN, [self._account], pools, [self._dkim_key])

    def _sending_ip(self, ip: str, today: date) -> SendingIp:
        way = self.ways[ip]
        allowance = ProviderAllowance(
            self._provider,
            number_of(today),
            way.level.messages_per_day,
            way.messages_per_hour,
            way.paused_until,
            in_words(way.reason, "en"),
        )
        return SendingIp(
            ip,
            f"mta{ip.replace('.', '-')}.{SENDING_DOMAIN}",
            allowances=[allowance],
            first_allowance=first_allowance(),
        )
