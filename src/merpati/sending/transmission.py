"""One transmission as an edge understood it, and what became of it. Plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from merpati.contracts.batch import Attachment, Mailbox, Recipient, Variant
from merpati.sending.injection_errors import RejectedRecipient
from merpati.sending.local_hours import LocalTime, LocalTimeTold


@dataclass(frozen=True, slots=True)
class TransmissionRequest:
    """One transmission as an edge understood it: forms are read, nothing is judged yet.

    recipients: those an edge could not even read stand among the others, so that numbers and
    reasons come out in the caller's order. fingerprint: hash of the request, compared when the
    idempotency key comes again. raw: the whole message as its sender wrote it, made ready by
    `message/submitted.py`; then texts, headers and files are empty, no template language is read,
    and `sender` and `subject` say what its header says. message_key: left side of Message-ID, of a
    transmission to one recipient, so that its sender knows it beforehand; "": made here.
    language: of the texts, BCP 47, "" for none; variants: what is said in others, by tag.
    local_time: when recipients may be mailed, each by their own clock, from `start_time` on.
    """

    sender: Mailbox
    subject: str
    recipients: Sequence[Recipient | RejectedRecipient]
    text: str | None = None
    html: str | None = None
    amp_html: str | None = None
    reply_to: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: Sequence[Attachment] = ()
    inline_images: Sequence[Attachment] = ()
    substitution_data: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    campaign_id: str | None = None
    ip_pool: str | None = None
    start_time: datetime | None = None
    description: str = ""
    transactional: bool = False
    skip_suppression: bool = False
    perform_substitutions: bool = True
    return_path: str | None = None
    idempotency_key: str | None = None
    fingerprint: bytes = b""
    raw: bytes | None = None
    recv_method: str = "rest"
    message_key: str = ""
    language: str = ""
    variants: Mapping[str, Variant] = field(default_factory=dict)
    local_time: LocalTime | None = None


@dataclass(frozen=True, slots=True)
class TransmissionAccepted:
    """What became of a transmission; suppressed recipients count as accepted.

    local_time: None when it asked for no local hours.
    """

    transmission_id: str
    accepted: int
    rejected: Sequence[RejectedRecipient]
    local_time: LocalTimeTold | None = None
