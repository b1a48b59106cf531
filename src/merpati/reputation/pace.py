"""How fast the rest of a day's allowance may go, seen from how the day went so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from merpati.reputation.allowance import Pace
from merpati.reputation.history import Day, checked, sent
from merpati.reputation.reason import Kind, Reason
from merpati.reputation.signs import (
    COMPLAINTS_TOO_MANY,
    EDGE_SHARE,
    complaint_share,
    is_blocking,
    unusual_deferrals,
    usual_deferral_share,
)

_HOURS = 22  # the allowance lasts so long; the rest makes up for slow hours
_SLOWED = 0.25  # of the even pace, at EDGE_SHARE: who counts by the hour wants it no slower
_STOP_SHARE = 0.03  # deferred beyond the usual: who counts by the day takes no more today


def during_day(history: Sequence[Day], today_so_far: Day) -> Pace:
    """Return the pace from now on; ask at least every half hour, better after each refusal.

    history: the days before today. A block or many deferrals end the day's mail. Raises ValueError
    on days that do not follow each other.
    """
    today, before = today_so_far, sent(checked([*history, today_so_far])[:-1])
    midnight = datetime.combine(today.day + timedelta(days=1), time(), UTC)
    if is_blocking(today):
        return Pace(0, midnight, _blocked(today))
    unusual = unusual_deferrals(today, usual_deferral_share(before))
    facts = {"deferred": today.deferred, "attempted": today.attempted}
    if unusual > _STOP_SHARE * today.attempted:
        return Pace(0, midnight, Reason(Kind.STOPPED, facts))
    if today.attempted >= today.allowance:
        return Pace(0, midnight, Reason(Kind.SPENT, {"attempted": today.attempted}))
    even = math.ceil(today.allowance / _HOURS)
    slow = math.ceil(_SLOWED * today.allowance / _HOURS)
    if unusual > EDGE_SHARE * today.attempted:
        facts = {"messages_per_hour": slow, **facts}
        return Pace(slow, None, Reason(Kind.SLOWED, facts))
    if complaint_share(today, before) >= COMPLAINTS_TOO_MANY:
        facts = {"messages_per_hour": slow, "complaints": today.complaints}
        return Pace(slow, None, Reason(Kind.SLOWED_BY_COMPLAINTS, facts))
    return Pace(even, None, Reason(Kind.EVEN, {"messages_per_hour": even}))


def _blocked(today: Day) -> Reason:
    """Return why mail ends; what was refused at the greeting is told as such: it is no attempt."""
    if not today.blocked:
        return Reason(Kind.STOPPED_AT_GREETING, {"rests": today.blocked_rests})
    facts = {"blocked": today.blocked, "attempted": today.attempted}
    return Reason(Kind.STOPPED_BY_BLOCK, facts)
