"""Which share of a provider's recipients moves on a day, and why it moves no further. Pure.

A share rises with what the sending IPs may send there. It holds itself back after a day on which
the provider blocked, refused much or passed on complaints; it never falls by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from merpati.reputation.demand import Demand
from merpati.reputation.history import Day
from merpati.reputation.migration_plan import WHOLE
from merpati.reputation.signs import COMPLAINTS_TOO_MANY, complaint_share, is_blocking
from merpati.reputation.split import share_after, without_leap
from merpati.reputation.words import Language, say

_MUCH_REFUSED = 0.1  # of a day's attempts
_FEW_ATTEMPTS = 20


class ShareKind(Enum):
    """What decided. Each has its sentence in `share_words.toml`; per_cent are of the recipients."""

    RISEN = "risen"  # per_cent, before, allowance
    ALL_MOVED = "all_moved"
    BY_ALLOWANCE = "by_allowance"  # per_cent, allowance
    BY_BLOCK = "by_block"  # per_cent, blocked, attempted
    BY_REFUSALS = "by_refusals"  # per_cent, refused, attempted
    BY_COMPLAINTS = "by_complaints"  # per_cent, complaints
    BY_HAND = "by_hand"  # per_cent, reason
    RAISED_BY_HAND = "raised_by_hand"  # per_cent, before, reason
    NOT_YET = "not_yet"  # starts_on
    NO_IPS = "no_ips"
    NO_PTR = "no_ptr"  # the step is open
    NOT_REGISTERED = "not_registered"  # that step is open
    ROLLED_BACK = "rolled_back"  # per_cent, before, reason


SELF_HELD = frozenset(
    {
        ShareKind.BY_BLOCK,
        ShareKind.BY_REFUSALS,
        ShareKind.BY_COMPLAINTS,
        ShareKind.NO_IPS,
        ShareKind.NO_PTR,
        ShareKind.NOT_REGISTERED,
    }
)  # somebody should know of it
Facts = Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class ShareDecision:
    """A day's share, of WHOLE, and its reason."""

    share: int
    kind: ShareKind
    facts: Facts


def decide(
    demand: Demand,
    number: int,
    before: int,
    *,
    allowance: int,
    most_before: int,
    yesterday: Day | None,
    held_because: str = "",
) -> ShareDecision:
    """Return the share of a pool's n-th day, from 1, at a provider.

    before: the share until then; allowance: of all the pool's IPs today; most_before: the most
    that went from them on a day; yesterday: their counts, None when nothing was sent;
    held_because: why a person holds it, "" if nobody does.
    """
    if before >= WHOLE:
        return ShareDecision(WHOLE, ShareKind.ALL_MOVED, {})
    if held := _held(before, yesterday, held_because):
        return held
    bound = without_leap(allowance, most_before, demand.most_growth)
    share = share_after(before, bound, demand.messages_per_day, demand.engaged, number)
    if share >= WHOLE:
        return ShareDecision(WHOLE, ShareKind.ALL_MOVED, {})
    facts: Facts = {"per_cent": per_cent(share), "before": per_cent(before), "allowance": allowance}
    return ShareDecision(
        share, ShareKind.RISEN if share > before else ShareKind.BY_ALLOWANCE, facts
    )


def _held(before: int, yesterday: Day | None, held_because: str) -> ShareDecision | None:
    share: dict[str, float | str] = {"per_cent": per_cent(before)}
    if held_because:
        return ShareDecision(before, ShareKind.BY_HAND, share | {"reason": held_because})
    if yesterday is None:
        return None
    attempted: dict[str, float | str] = {"attempted": yesterday.attempted}
    if is_blocking(yesterday):
        facts = share | attempted | {"blocked": max(yesterday.blocked, yesterday.blocked_rests)}
        return ShareDecision(before, ShareKind.BY_BLOCK, facts)
    if complaint_share(yesterday, ()) >= COMPLAINTS_TOO_MANY:
        facts = share | {"complaints": yesterday.complaints}
        return ShareDecision(before, ShareKind.BY_COMPLAINTS, facts)
    much = _MUCH_REFUSED * yesterday.attempted
    if yesterday.attempted >= _FEW_ATTEMPTS and yesterday.refused > much:
        facts = share | attempted | {"refused": yesterday.refused}
        return ShareDecision(before, ShareKind.BY_REFUSALS, facts)
    return None


def per_cent(share: int) -> float:
    """Return a share as people read it: 12.34 % of the recipients."""
    return share / 100


def in_words(kind: str, facts: Facts, language: Language) -> str:
    """Return why a share is what it is, in a sentence or two."""
    return say("share_words.toml", kind, facts, language)
