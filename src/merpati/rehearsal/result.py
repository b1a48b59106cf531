"""What a rehearsal came to: plain data, for tables, JSON and the report."""

from __future__ import annotations

import msgspec


class Turn(msgspec.Struct, frozen=True):
    """A change of pace within a day. at: milliseconds since the epoch; kind, facts: of its reason.

    messages_per_hour: None for evenly again; 0: nothing until the day ends.
    """

    at: int
    sending_ip: str
    messages_per_hour: int | None
    kind: str
    facts: dict[str, int]


class PlayedDay(msgspec.Struct, frozen=True, kw_only=True):
    """One pool at one provider on one day; all its sending IPs together.

    wanted: mail of that day, whichever way; moved: of it, whose recipients have moved here and, if
    engaged_within says so, engaged within so many days; old:
    what went by the old provider, of these or the others. share: of 10,000, with its reason.
    planned: that should go from here. waiting: not sent when the day ended. tolerance: what the
    provider would have borne. kind, facts: why the allowance of the first IP is what it is. The
    rest counts attempts from here.
    """

    day: str
    wanted: int
    share: int
    share_kind: str
    share_facts: dict[str, float | str]
    planned: int
    moved: int
    engaged_within: int | None
    allowance: int
    tolerance: int
    kind: str
    facts: dict[str, int]
    turns: list[Turn]
    attempted: int = 0
    delivered: int = 0
    deferred: int = 0
    blocked: int = 0
    hard_bounced: int = 0
    complaints: int = 0
    human_opens: int = 0
    old: int = 0
    waiting: int = 0


class PlayedStream(msgspec.Struct, frozen=True, kw_only=True):
    """One pool at one provider, day by day. provider: as the providers file calls it."""

    pool: str
    provider: str
    sending_ips: list[str]
    messages_per_day: int
    days: list[PlayedDay]

    @property
    def done_on(self) -> str | None:
        """Return the first day on which nearly all of a day's mail was delivered from here."""
        return next(
            (day.day for day in self.days if day.delivered >= DONE * self.messages_per_day), None
        )


class PlayedPart(msgspec.Struct, frozen=True, kw_only=True):
    """One provider's streams, and what playing them took. messages: that ended somehow."""

    number: int
    streams: list[PlayedStream]
    messages: int
    cpu_seconds: float


class Took(msgspec.Struct, frozen=True):
    """What a rehearsal took on the machine; all else is the same wherever it is played."""

    seconds: float
    cpu_seconds: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    plan: str
    providers: str
    starts_on: str
    days: int
    seed: int
    streams: list[PlayedStream]
    messages: int


COUNTED = (
    "attempted", "delivered", "deferred", "blocked", "hard_bounced", "complaints", "human_opens",
)  # fmt: skip
"""Fields of a day that are sums over its sending IPs, as `events/provider_days.py` names them."""

DONE = 0.95  # of a day's mail: unknown users and late deferrals are the rest
