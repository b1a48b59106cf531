"""What happened: the engine's side of the story, as the journal carries it to the recorder.

An event's id is (shard, journal sequence, index in the record), so a repeat is no second event.
Persisted shapes only ever gain fields with defaults, at the end. Times are milliseconds since the
Unix epoch, UTC.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

# Of the bounce that a suppressed recipient becomes (sparkpost-api 9).
SUPPRESSED_TEXT = "recipient address was suppressed due to customer policy ({source})"


class EventType(enum.StrEnum):
    """SparkPost's event types that the engine produces (sparkpost-api 15.1)."""

    INJECTION = "injection"
    DELIVERY = "delivery"
    DELAY = "delay"
    BOUNCE = "bounce"
    GENERATION_FAILURE = "generation_failure"


class Settlement(enum.StrEnum):
    """How a message left the spool; together with `waiting` these add up to what was accepted."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"


class InjectedRecipient(msgspec.Struct, frozen=True, array_like=True):
    """One recipient in an injection record; its message id is the record's base id + its index."""

    rcpt_to: str
    metadata: dict[str, Any] = {}
    tags: list[str] = []
    suppressed_by: str | None = None  # the suppression's source, e.g. "Bounce Rule"


class Injection(msgspec.Struct, frozen=True, array_like=True):
    """The journal's record of one accepted batch: `injection` events for all its recipients."""

    account_id: int
    transmission_id: str
    injected_at: int
    ip_pool: str
    friendly_from: str
    sending_domain: str
    subject: str
    recipients: list[InjectedRecipient]
    campaign_id: str | None = None
    transactional: bool = False
    metadata: dict[str, Any] = {}
    recv_method: str = "rest"
    starts_at: int = 0  # when it was scheduled for, 0 for at once
    description: str = ""


class Event(msgspec.Struct, frozen=True, array_like=True):
    """What one attempt, or one settlement without an attempt, came to for one message."""

    type: EventType
    at: int
    account_id: int
    message_id: int  # the shard's row id
    transmission_id: str
    injected_at: int
    rcpt_to: str
    settlement: Settlement | None = None  # None: the message still waits
    ip_pool: str = ""
    sending_ip: str = ""
    provider: str = ""  # mailbox provider, or the static route that took it
    remote: str = ""  # "host[address]:port" of the MX
    code: int = 0  # SMTP reply code; 0 when none came
    enhanced: str = ""
    text: str = ""  # the provider's words, untrusted, or our reason
    bounce_class: int = 0
    attempts: int = 0  # attempts before this one (SparkPost num_retries)
    size_bytes: int = 0
    tls: bool = False
    egress: str = ""  # name of the old provider it went by; then no IP of ours sent it
    cause: str = ""  # of a refusal: our finer label (providers/replies.toml)
    rests: bool = False  # since then nothing, or a trickle, goes by this IP to this provider


class LaneRest(msgspec.Struct, frozen=True, array_like=True):
    """A refusal that answered no attempt, as of the greeting, with the effect of `rests`."""

    at: int
    sending_ip: str
    provider: str
    code: int
    bounce_class: int


class JournalKind(enum.IntEnum):
    """What a journal row's payload is."""

    INJECTION = 1  # msgpack of Injection; the row's base_id gives the message ids
    EVENTS = 2  # msgpack of list[Event]
    INBOUND = 3  # msgpack of contracts.inbound.InboundMail
    REST = 4  # msgpack of LaneRest
