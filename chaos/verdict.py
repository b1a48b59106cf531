"""What the rounds came to: promised against received, and where each duplicate came from."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.fate import POLITE, Fate, Manners

# A message is sent twice only when a process dies between the receiver's 250 and the commit that
# records it: outcomes are gathered for 20 ms and one commit is on its way. A second is generous.
WINDOW_SECONDS = 1.0
TRIES = 5  # one armed fault point may be missed, when the load pauses; not five in a row


@dataclass(frozen=True)
class Arrival:
    """One message as the sink received it."""

    at: float  # seconds since the epoch
    recipient: str
    message_id: str


@dataclass(frozen=True)
class Verdict:
    """The balance of a run; `holds` is what `make chaos` asserts."""

    promised: int
    deferred: int  # of the promised those that the sink took at the second try only
    rejected: int  # of the promised those that it refused for good
    received: int  # different recipients
    lost: int  # neither received nor rejected
    strangers: int  # received though never promised, and no call for them was left unanswered
    duplicates: int  # more than one arrival for one recipient
    outside_window: int  # duplicates that no kill explains
    changed_ids: int  # duplicates whose Message-ID differs

    @property
    def holds(self) -> bool:
        """Return whether nothing was lost and every duplicate is explained."""
        return not (self.lost or self.strangers or self.outside_window or self.changed_ids)


def read_arrivals(file: Path) -> list[Arrival]:
    """Return what the sink wrote, in order."""
    rows = (line.split() for line in file.read_text().splitlines())
    return [Arrival(float(at), recipient, message_id) for at, recipient, message_id in rows]


def judge(
    promised: set[str],
    arrivals: Iterable[Arrival],
    kills: Sequence[float],
    manners: Manners = POLITE,
) -> Verdict:
    """Compare what was promised with what arrived.

    kills: moments (seconds since the epoch) at which a process was killed or found dead. manners:
    the sink's.
    """
    by_recipient: dict[str, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        by_recipient[arrival.recipient].append(arrival)
    duplicates = outside = changed = 0
    for copies in by_recipient.values():
        for first, second in itertools.pairwise(copies):
            duplicates += 1
            changed += first.message_id != second.message_id
            outside += not any(
                abs(kill - first.at) <= WINDOW_SECONDS and kill <= second.at for kill in kills
            )
    received = set(by_recipient)
    fates = {recipient: manners.fate_of(recipient) for recipient in promised}
    rejected = {recipient for recipient, fate in fates.items() if fate is Fate.REJECTED}
    return Verdict(
        promised=len(promised),
        deferred=sum(fate is Fate.DEFERRED_ONCE for fate in fates.values()),
        rejected=len(rejected),
        received=len(received),
        lost=len(promised - rejected - received),
        strangers=len(received - promised),
        duplicates=duplicates,
        outside_window=outside,
        changed_ids=changed,
    )


def never_reached(tried: Mapping[str, int], reached: Mapping[str, int]) -> list[str]:
    """Return the fault points that were armed again and again and at which nothing ever died.

    Such a point was renamed or lies off the way: kills there would be reported and not made.
    """
    return sorted(p for p, times in tried.items() if times >= TRIES and not reached.get(p))
