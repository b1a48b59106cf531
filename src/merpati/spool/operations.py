"""What a shard can be asked to write, and what a commit of such wishes comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from merpati.contracts.batch import Accepted
from merpati.contracts.event import Event, JournalKind
from merpati.spool.errors import SpoolError
from merpati.spool.shapes import Arrival, Grant, Postponed


@dataclass(frozen=True, slots=True)
class Append:
    """Store batches that came together, each for itself.

    Answer: for each Accepted, or the SpoolError that refuses it.
    """

    batches: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Record:
    """Journal what came from outside and moves no message. Answer: None."""

    kind: JournalKind
    payload: bytes


@dataclass(frozen=True, slots=True)
class Settle:
    """Answer: None."""

    settled: Sequence[int]
    postponed: Sequence[Postponed]
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Keep in mind that what a transmission, or else a campaign, has now is to be cancelled.

    Answer: None.
    """

    account_id: int
    campaign_id: str
    transmission_id: str


@dataclass(frozen=True, slots=True)
class EndCancel:
    """Forget a cancellation: none of its messages is left. Answer: None."""

    cancellation_id: int


@dataclass(frozen=True, slots=True)
class Reserve:
    """Take a block of a day's allowance at a provider, "" for the IP's in all. Answer: Grant."""

    sending_ip: str
    provider: str
    day: int
    block: int
    limit: int


@dataclass(frozen=True, slots=True)
class KeepPace:
    """Remember what was learned about a lane, None: forget it. Answer: None."""

    sending_ip: str
    provider: str
    state: bytes | None


@dataclass(frozen=True, slots=True)
class KeepZoneRules:
    """Remember by which edition of the time zones' rules mail is scheduled. Answer: None."""

    edition: str


@dataclass(frozen=True, slots=True)
class MakeDue:
    """Have messages of a queue tried again now, not those that are scheduled. Answer: int.

    last_ip: only those it tried last, "" for all.
    """

    queue_id: int
    now: int
    last_ip: str = ""


@dataclass(frozen=True, slots=True)
class Trim:
    """Answer: bool, whether more is left to trim."""

    seq: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """Housekeeping: old keys, empty queues. Answer: bool, whether more is left."""


Operation = (
    Append
    | Record
    | Settle
    | Cancel
    | EndCancel
    | Reserve
    | KeepPace
    | KeepZoneRules
    | MakeDue
    | Trim
    | Sweep
)
Answer = list[Accepted | SpoolError] | Grant | int | bool | None


@dataclass(frozen=True, slots=True)
class Committed:
    """Answers in the order of the operations, and what came into which queue."""

    answers: list[Answer | SpoolError]
    arrivals: list[Arrival]
