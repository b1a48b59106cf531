"""What journal records come to: rows for the event store, the tallies of the balance, and what
each sending IP sent to each provider.

Pure. The recorder stores the digest of each record; the balance folds the tallies of records not
stored yet with the same functions, so the two cannot count differently.

Event data stays packed as the engine wrote it: only an event's head is decoded here, for this runs
once for every event there is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from merpati.adapters import codec
from merpati.contracts.event import (
    SUPPRESSED_TEXT,
    Event,
    EventType,
    Injection,
    JournalKind,
    LaneRest,
    Settlement,
)
from merpati.contracts.inbound import InboundMail
from merpati.events import ids
from merpati.events.provider_days import (
    DAY_MS,
    ProviderDays,
    column_of,
    count,
    count_rest,
    old_way,
)
from merpati.spool.message_name import message_key
from merpati.spool.shapes import JournalRow

HOUR_MS = 3_600_000
SUPPRESSED_CLASS = 25  # sparkpost-api 25: Admin Failure
SUPPRESSED_CODE = 554
SUPPRESSED_ENHANCED = "5.7.1"

COLUMNS = ("accepted", *(str(settlement) for settlement in Settlement))
"""A tally's columns; `waiting` is counted in the spool."""

_ACCEPTED = COLUMNS.index("accepted")
_SUPPRESSED = COLUMNS.index(Settlement.SUPPRESSED)
_COLUMN_OF = {settlement: COLUMNS.index(settlement) for settlement in Settlement}

Tallies = dict[tuple[int, int], list[int]]
"""(account, hour of injection in hours since the epoch) → one count per column."""

EventRow = tuple[int, int, int, str, bytes | None]
"""id, message key, at, type, packed Event (None: an injection, whose data is the batch's)."""

MessageRow = tuple[int, int, str, bytes | None]
"""message key, injection id, recipient, packed [metadata, tags] (None when both are empty)."""

InjectionRow = tuple[int, int, str, int, int, bytes]
"""id, account, transmission, key of the first message, messages, packed Injection, its recipients
left out: they are message rows."""


InboundRow = tuple[int, int, int, int, bytes]
"""id, account, message key, received at, packed InboundMail."""


_SKIPPED = msgspec.Raw()


class _Head(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The leading fields of `contracts.event.Event`; what is not counted is skipped over."""

    type: str
    at: int
    account_id: int
    message_id: int
    transmission_id: str
    injected_at: int
    rcpt_to: str
    settlement: Settlement | None = None
    ip_pool: str = ""
    sending_ip: str = ""
    provider: str = ""
    remote: msgspec.Raw = _SKIPPED
    code: int = 0
    enhanced: msgspec.Raw = _SKIPPED
    text: msgspec.Raw = _SKIPPED
    bounce_class: int = 0
    attempts: int = 0
    size_bytes: msgspec.Raw = _SKIPPED
    tls: msgspec.Raw = _SKIPPED
    egress: str = ""
    cause: str = ""
    rests: bool = False


_read_heads = codec.unpacker(list[_Head])
_read_raw = codec.unpacker(list[msgspec.Raw])
_read_inbound = codec.unpacker(InboundMail)
_read_injection = codec.unpacker(Injection)
_read_rest = codec.unpacker(LaneRest)


@dataclass(slots=True)
class Digest:
    """What some records of one shard add to the event store."""

    shard: int
    last_seq: int  # of the records taken in so far
    injections: list[InjectionRow] = field(default_factory=list)
    messages: list[MessageRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    inbound: list[InboundRow] = field(default_factory=list)
    tallies: Tallies = field(default_factory=dict)
    provider_days: ProviderDays = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Return how many things happened: events, and mail that came in."""
        return len(self.events) + len(self.inbound)

    def take(self, record: JournalRow) -> None:
        """Add one record; one taken before (by its sequence number) adds nothing.

        Raises codec.DecodeError for a record that is not what its kind says.
        """
        if record.seq <= self.last_seq:
            return
        match record.kind:
            case JournalKind.INJECTION:
                self._take_injection(record)
            case JournalKind.INBOUND:
                self._take_inbound(record)
            case JournalKind.REST:
                count_rest(self.provider_days, _read_rest.decode(record.payload))
            case _:
                self._take_events(record)
        self.last_seq = record.seq

    def _take_events(self, record: JournalRow) -> None:
        heads, raw = _read_heads.decode(record.payload), _read_raw.decode(record.payload)
        first = ids.event_id(self.shard, record.seq, 0)
        key_base = message_key(self.shard, 0)
        self.events += [
            (first + index, key_base + head.message_id, head.at, head.type, bytes(data))
            for index, (head, data) in enumerate(zip(heads, raw, strict=True))
        ]
        _count_heads(self.tallies, heads)
        _count_attempts(self.provider_days, heads)

    def _take_injection(self, record: JournalRow) -> None:
        injection = _read_injection.decode(record.payload)
        recipients, at = injection.recipients, injection.injected_at
        injection_id = ids.event_id(self.shard, record.seq, 0)
        base = message_key(self.shard, record.base_id)
        self.injections.append(
            (
                injection_id,
                injection.account_id,
                injection.transmission_id,
                base,
                len(recipients),
                codec.pack(msgspec.structs.replace(injection, recipients=[])),
            )
        )
        kind = str(EventType.INJECTION)
        for index, recipient in enumerate(recipients):
            metadata, tags = recipient.metadata, recipient.tags
            own = codec.pack([metadata, tags]) if metadata or tags else None
            self.messages.append((base + index, injection_id, recipient.rcpt_to, own))
            self.events.append((injection_id + index, base + index, at, kind, None))
        # Numbered behind the injections of the same record.
        bounce_id = injection_id + len(recipients)
        for index, recipient in enumerate(recipients):
            if recipient.suppressed_by is None:
                continue
            event = _suppressed(
                injection, record.base_id + index, recipient.rcpt_to, recipient.suppressed_by
            )
            self.events.append(
                (bounce_id, base + index, at, str(EventType.BOUNCE), codec.pack(event))
            )
            bounce_id += 1
        _count_injection(self.tallies, injection)

    def _take_inbound(self, record: JournalRow) -> None:
        mail = _read_inbound.decode(record.payload)
        row_id = ids.event_id(self.shard, record.seq, 0)
        key = message_key(self.shard, mail.message_id)
        self.inbound.append((row_id, mail.account_id, key, mail.received_at, record.payload))


def tallies_of(records: Iterable[JournalRow]) -> Tallies:
    """Return what records add to the tallies, without making rows of them."""
    tallies: Tallies = {}
    for record in records:
        if record.kind == JournalKind.INJECTION:
            _count_injection(tallies, _read_injection.decode(record.payload))
        elif record.kind == JournalKind.EVENTS:  # the others move no message
            _count_heads(tallies, _read_heads.decode(record.payload))
    return tallies


def _count_injection(tallies: Tallies, injection: Injection) -> None:
    counts = _counts(tallies, injection.account_id, injection.injected_at)
    counts[_ACCEPTED] += len(injection.recipients)
    counts[_SUPPRESSED] += sum(r.suppressed_by is not None for r in injection.recipients)


def _count_heads(tallies: Tallies, heads: Iterable[_Head]) -> None:
    for head in heads:
        if head.settlement is not None:
            counts = _counts(tallies, head.account_id, head.injected_at)
            counts[_COLUMN_OF[head.settlement]] += 1


def _count_attempts(days: ProviderDays, heads: Iterable[_Head]) -> None:
    """Count what was answered on a connection from one of our IPs, or by an old provider."""
    for head in heads:
        way = old_way(head.account_id, head.ip_pool) if head.egress else head.sending_ip
        if way and head.code:
            column = column_of(head.type, head.settlement, head.code, head.bounce_class, head.cause)
            key = (way, head.at // DAY_MS, head.provider)
            count(days, key, column, is_first=not head.attempts, rests=head.rests)


def _counts(tallies: Tallies, account_id: int, injected_at: int) -> list[int]:
    key = (account_id, injected_at // HOUR_MS)
    counts = tallies.get(key)
    if counts is None:
        counts = tallies[key] = [0] * len(COLUMNS)
    return counts


def _suppressed(injection: Injection, message_id: int, rcpt_to: str, source: str) -> Event:
    """Return the bounce of a recipient who is not to be mailed (sparkpost-api 9)."""
    return Event(
        type=EventType.BOUNCE,
        at=injection.injected_at,
        account_id=injection.account_id,
        message_id=message_id,
        transmission_id=injection.transmission_id,
        injected_at=injection.injected_at,
        rcpt_to=rcpt_to,
        settlement=Settlement.SUPPRESSED,
        ip_pool=injection.ip_pool,
        code=SUPPRESSED_CODE,
        enhanced=SUPPRESSED_ENHANCED,
        text=SUPPRESSED_TEXT.format(source=source),
        bounce_class=SUPPRESSED_CLASS,
    )
