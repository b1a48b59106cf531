"""What each sending IP sent to each mailbox provider on each UTC day, and how it was taken.

The recorder counts it, one row for each group of a step, in the transaction that stores the events;
warm-up reads it. An attempt counts once an answer came to it. What an answer means follows its
bounce class: refusals for good that blame us are blocks, whether the message waits for another try
(a 5yz before RCPT) or not; refusals for now are deferrals, unless they speak of the recipient or
are greylisting, which only asks whether we come back. Of refusals after which the engine let the IP
rest, at an attempt or at the greeting, it is counted besides that they did.

Source: SparkPost, "Bounce Classification Codes"; RFC 5321 section 4.2.1 (4yz, 5yz).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from merpati.contracts.event import EventType, LaneRest, Settlement
from merpati.providers.bounce_class import BounceClass

DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1)

COLUMNS = (
    "offered", "attempted", "delivered", "deferred", "blocked", "hard_bounced",
    "complaints", "human_opens", "deferred_rests", "blocked_rests",
)  # fmt: skip
"""offered: messages whose first try was made here. Complaints and opens are counted once they are
acted upon. The last two: refusals that let the IP rest there, for now or for good."""

_OFFERED, _ATTEMPTED, _DELIVERED, _DEFERRED, _BLOCKED, _HARD_BOUNCED = range(6)
_DEFERRED_RESTS, _BLOCKED_RESTS = 8, 9

# For now refused, but for no fault of ours.
_OF_THE_RECIPIENT = frozenset(
    (
        BounceClass.INVALID_RECIPIENT,
        BounceClass.SOFT,
        BounceClass.DNS_FAILURE,
        BounceClass.MAILBOX_FULL,
        BounceClass.TOO_LARGE,
        BounceClass.TIMEOUT,
        BounceClass.NO_RECIPIENT,
    )
)

_GREYLISTED = "greylist"  # cause

_HARD = frozenset(one for one in BounceClass if one.is_hard)
_LAST_BLOCK = BounceClass.RELAYING_DENIED  # 50 to 54 are SparkPost's category "block"

Key = tuple[str, int, str]
"""Sending IP or `old_way`, day since the epoch, provider."""

ProviderDays = dict[Key, list[int]]
"""One count per column."""

TABLE = f"""
CREATE TABLE provider_day (
  sending_ip TEXT NOT NULL, day INTEGER NOT NULL, provider TEXT NOT NULL,
  {", ".join(f"{name} INTEGER NOT NULL" for name in COLUMNS)},
  PRIMARY KEY (sending_ip, day, provider)
) WITHOUT ROWID"""

UPGRADE_OF_LAYOUT_3 = ";\n".join(
    f"ALTER TABLE provider_day ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0"
    for name in COLUMNS[_DEFERRED_RESTS:]
)

READ_OF_LAYOUT_3 = (
    "CREATE TEMP VIEW provider_day AS"
    " SELECT *, 0 AS deferred_rests, 0 AS blocked_rests FROM main.provider_day"
)
"""For readers that come before the recorder has brought the store up."""

_ADD = f"""
INSERT INTO provider_day VALUES ({", ".join("?" * (3 + len(COLUMNS)))})
ON CONFLICT (sending_ip, day, provider) DO UPDATE SET
{", ".join(f"{name} = {name} + excluded.{name}" for name in COLUMNS)}
"""  # noqa: S608 - our own column names


def old_way(account_id: int, pool: str) -> str:
    """Return what stands for a sending IP in the counts of a pool's mail by an old provider."""
    return f"old/{account_id}/{pool}"


def count(days: ProviderDays, key: Key, column: int | None, *, is_first: bool, rests: bool) -> None:
    """Add an attempt; column: as `column_of` says; is_first: of its message; rests: as `Event`."""
    counts = _counts(days, key)
    counts[_ATTEMPTED] += 1
    if is_first:
        counts[_OFFERED] += 1
    if column is not None:
        counts[column] += 1
    if rests:
        counts[_BLOCKED_RESTS if column == _BLOCKED else _DEFERRED_RESTS] += 1


def count_rest(days: ProviderDays, rest: LaneRest) -> None:
    """Add a refusal that let an IP rest and answered no attempt."""
    key = (rest.sending_ip, rest.at // DAY_MS, rest.provider)
    is_block = _is_block(rest.code, rest.bounce_class)
    _counts(days, key)[_BLOCKED_RESTS if is_block else _DEFERRED_RESTS] += 1


def _counts(days: ProviderDays, key: Key) -> list[int]:
    counts = days.get(key)
    if counts is None:
        counts = days[key] = [0] * len(COLUMNS)
    return counts


def column_of(
    kind: str, settlement: Settlement | None, code: int, bounce_class: int, cause: str
) -> int | None:
    """Return which column tells how an attempt was taken; None: its answer says nothing of us."""
    if kind == EventType.DELIVERY:
        return _DELIVERED
    if kind != EventType.DELAY and settlement is not Settlement.BOUNCED:
        return None  # expired or cancelled: no word of the provider's
    if _is_block(code, bounce_class):
        return _BLOCKED
    if kind == EventType.DELAY:
        is_of_us = bounce_class not in _OF_THE_RECIPIENT and cause != _GREYLISTED
        return _DEFERRED if is_of_us else None
    return _HARD_BOUNCED if bounce_class in _HARD else None


def _is_block(code: int, bounce_class: int) -> bool:
    return code // 100 == 5 and BounceClass.MAIL_BLOCK <= bounce_class <= _LAST_BLOCK


def add(db: sqlite3.Connection, days: ProviderDays) -> None:
    """Add counts to the store, inside the caller's transaction."""
    db.executemany(_ADD, [(*key, *counts) for key, counts in days.items()])


class ProviderDay(NamedTuple):
    """One row: what an IP sent to a provider on a day."""

    sending_ip: str
    day: date
    provider: str
    offered: int
    attempted: int
    delivered: int
    deferred: int
    blocked: int
    hard_bounced: int
    complaints: int
    human_opens: int
    deferred_rests: int
    blocked_rests: int

    @property
    def refused(self) -> int:
        """Return the attempts that were turned away for our sake, for now or for good."""
        return self.deferred + self.blocked

    @property
    def rests(self) -> int:
        """Return the refusals that let the IP rest, also those that answered no attempt."""
        return self.deferred_rests + self.blocked_rests


def provider_days(
    db: sqlite3.Connection, sending_ips: Iterable[str], since: date, providers: Sequence[str] = ()
) -> Iterator[ProviderDay]:
    """Yield the rows of some IPs from a day on, by IP, day and provider; providers: () for all."""
    wanted = f" AND provider IN ({', '.join('?' * len(providers))})" if providers else ""
    for address in sending_ips:
        rows = db.execute(
            f"SELECT * FROM provider_day WHERE sending_ip = ? AND day >= ?{wanted}"  # noqa: S608
            " ORDER BY day, provider",
            [address, number_of(since), *providers],
        )
        for sending_ip, number, *rest in rows:
            yield ProviderDay(sending_ip, day_of(number), *rest)


def number_of(day: date) -> int:
    """Return a day's number since the epoch."""
    return (day - _EPOCH).days


def day_of(number: int) -> date:
    """Return the day of a number since the epoch."""
    return _EPOCH + timedelta(days=number)
