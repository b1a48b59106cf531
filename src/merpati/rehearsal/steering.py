"""Who decides during a rehearsal: the daily step and the pace within the day, as in production.

The decisions are `plans/warmup/deciding.py` and `plans/migration/deciding.py`; here they become a
sending policy, as `sending/policy.py` makes one of what `plans/` wrote: allowances, the old
provider as an egress, and the share of the recipients whose mail it sends no more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from merpati.contracts.sending_policy import (
    Account,
    DkimKey,
    Egress,
    Migration,
    Pool,
    ProviderAllowance,
    SendingIp,
    SendingPolicy,
    Share,
)
from merpati.events.provider_days import number_of
from merpati.plans.migration.deciding import Ways, share_for
from merpati.plans.warmup.deciding import level_for, pace_for
from merpati.rehearsal.books import Books
from merpati.rehearsal.result import Turn
from merpati.rehearsal.scenario import ACCOUNT_ID, Stream
from merpati.reputation.allowance import Allowance
from merpati.reputation.reason import Kind, Reason
from merpati.reputation.reason_words import in_words
from merpati.reputation.share_decision import ShareDecision, ShareKind
from merpati.reputation.split import engaged_within
from merpati.reputation.warmup import next_allowance

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
    refused: int = 0  # and rests, when its pace was decided


class Steering:
    """The decisions of one part. provider: its id as the engine names it."""

    def __init__(
        self,
        streams: Sequence[Stream],
        provider: str,
        books: Books,
        *,
        egress: Egress,
        ways: Ways,
        dkim_key: DkimKey,
        knows_engagement: bool,
    ) -> None:
        nobody = ShareDecision(0, ShareKind.NOT_YET, {})
        self.shares = dict.fromkeys((stream.pool_id for stream in streams), nobody)
        self.ways: dict[str, Way] = {}
        self.turns: list[Turn] = []  # of today
        self._streams = streams
        self._provider = provider
        self._books = books
        self._egress = egress
        self._on_way = ways
        self._account = Account(ACCOUNT_ID, 0, streams[0].pool_id)
        self._dkim_key = dkim_key
        self._knows_engagement = knows_engagement
        self._version = 0

    def begin_day(self, today: date) -> SendingPolicy:
        """Decide a day's allowances and shares."""
        self.turns = []
        for stream in self._streams:
            for ip in stream.ips:
                target = math.ceil(stream.demand.target_per_day / len(stream.ips))
                level = level_for(self._books.history(ip, today), target)
                self.ways[ip] = Way(level, reason=level.reason)
                self._books.levels.setdefault(ip, {})[today] = level.messages_per_day
            self._decide_share(stream, today)
        return self._policy(today)

    def _decide_share(self, stream: Stream, today: date) -> None:
        self.shares[stream.pool_id] = share_for(
            stream.demand,
            stream.demand.pool.starts_on,
            self.shares[stream.pool_id].share,
            self._books.sent(stream),
            today,
            allowance=sum(self.ways[ip].level.messages_per_day for ip in stream.ips),
        )

    def within_day(self, today: date, now: int, *, is_due: bool) -> SendingPolicy | None:
        """Decide paces anew where more was refused, and all when it is due; None: no change."""
        changed = False
        for ip, way in self.ways.items():
            row = self._books.row(ip, today)
            refused = row.refused + row.rests
            if not (is_due or refused > way.refused) or not (row.attempted or row.rests):
                continue
            way.refused = refused
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
        return SendingPolicy(
            self._version,
            BOUNCE_DOMAIN,
            [self._account],
            [self._pool(stream, today) for stream in self._streams],
            [self._dkim_key],
            egresses=[self._egress],
            migrations=[self._migration(stream) for stream in self._streams],
        )

    def _migration(self, stream: Stream) -> Migration:
        share, ways = self.shares[stream.pool_id].share, self._on_way
        return Migration(
            ACCOUNT_ID,
            stream.pool_id,
            self._egress.egress_id,
            [Share(self._provider, share)],
            ways.on_spent,
            ways.on_block,
            ways.when_old_fails,
        )

    def _pool(self, stream: Stream, today: date) -> Pool:
        within = engaged_within(stream.number_of(today)) if self._knows_engagement else None
        ips = [self._sending_ip(ip, today, within) for ip in stream.ips]
        return Pool(stream.pool_id, ACCOUNT_ID, stream.demand.pool.name, ips)

    def _sending_ip(self, ip: str, today: date, engaged_within_days: int | None) -> SendingIp:
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
            engaged_within_days=engaged_within_days,
        )
