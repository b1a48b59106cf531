"""Injection: the one function by which mail enters, from whichever edge it comes.

A transmission is validated once, its recipients are expanded, suppressed ones are marked by one
query for all, and one batch goes to the worker that owns the account. `inject` returns when that
batch is durable, and raises when it is not. What stands in the way of one recipient rejects that
recipient alone; what stands in the way of all refuses the transmission.

Source: sparkpost-api 3 and 4; test cases D1, D5 (durable before 2xx), H1, H3 (headers), R4 (another
account's domain).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

import msgspec

from merpati.adapters import codec
from merpati.contracts.batch import (
    Accepted,
    Attachment,
    Batch,
    Content,
    Mailbox,
    MessageRow,
    Recipient,
    Variant,
)
from merpati.contracts.event import InjectedRecipient, Injection
from merpati.sending.address import breaks_a_line, envelope_address
from merpati.sending.buckets import bucket_of
from merpati.sending.directory import PoolEntry, SendingAccount
from merpati.sending.engagement import NEVER, tiers_of
from merpati.sending.injection_errors import (
    AccountSuspended,
    FieldInvalid,
    FieldMissing,
    HeaderRefused,
    MetadataTooLarge,
    NoValidRecipient,
    PoolUnknown,
    PoolWithoutIps,
    RejectedRecipient,
    SenderUnverified,
    SubstitutionDataTooLarge,
)
from merpati.sending.language_variants import (
    checked_language,
    checked_variants,
    language_trouble,
)
from merpati.sending.local_hours import (
    ZONE_CHARACTERS,
    LocalPlan,
    LocalTime,
    LocalTimeTold,
    plan,
)
from merpati.sending.suppression import suppressed_among
from merpati.spool.errors import SpoolError
from merpati.spool.message_name import name_of

log = logging.getLogger(__name__)

CAMPAIGN_ID_BYTES = 64
METADATA_BYTES = 10 * 1024
SUBSTITUTION_DATA_BYTES = 100 * 1024
CONTENT_BYTES = 20 * 1024 * 1024
RAW_BYTES = CONTENT_BYTES + 64 * 1024  # what was submitted, and the header that we add
FILE_NAME_BYTES = 255
MESSAGE_KEY_CHARACTERS = 64
HEADER_NAME_CHARACTERS = 76  # as composing takes: with its colon it must fit a line of 78
TAGS_PER_RECIPIENT = 10  # more are ignored, as SparkPost does
SCHEDULE_AHEAD = timedelta(days=3)
EXPRESSION = "{{"

_MESSAGE_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
# JSON is at most this many times as long as the same value in msgpack; only what is above the
# limit by that measure is encoded as JSON to be measured exactly.
_JSON_OVER_MSGPACK = 3

_OWN_FIELD = {
    "subject": "content.subject",
    "from": "content.from",
    "to": "recipients[].address.header_to",
    "reply-to": "content.reply_to",
    "bcc": "a recipient of its own with address.header_to",
}
# We write these ourselves; the caller's are dropped, as SparkPost does (test case H3).
_OURS = frozenset({"date", "message-id", "received", "return-path", "dkim-signature", "x-msfbl"})
_TOKEN_CHARACTERS = frozenset(
    "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)


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


class Spool(Protocol):
    """What injection needs of the spool's client."""

    def append(self, shard: int, batch: Batch) -> Accepted:
        """Return once the batch is durable. Raises SpoolError."""


class LoopSpool(Protocol):
    """What injection needs of the spool's client on an event loop."""

    async def append_all(self, shard: int, batches: Sequence[Batch]) -> list[Accepted | SpoolError]:
        """Return what `Spool.append` would have of each. Raises SpoolError for all of them."""


class _Addressee(NamedTuple):
    recipient: Recipient
    packed: bytes
    domain: str
    due_at: int


@dataclass(frozen=True, slots=True)
class Validated:
    """A transmission that nothing stands in the way of; who is suppressed is not known yet.

    starts_at: 0 for at once; first_at: when the first message leaves, later with local hours.
    """

    request: TransmissionRequest
    account: SendingAccount
    transmission_id: str
    injected_at: int
    starts_at: int
    first_at: int
    pool: PoolEntry
    sender: Mailbox
    sending_domain: str
    addressees: Sequence[_Addressee]
    content: bytes
    answer: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """A transmission that nothing stands in the way of: what the spool is to store, and where.

    answer: the edge's reply once that is durable.
    """

    shard: int
    batch: Batch
    answer: bytes

    def answered(self, accepted: Accepted) -> bytes:
        """Return the reply, now that the batch is durable."""
        if log.isEnabledFor(logging.DEBUG):
            log.debug(
                "accepted transmission=%s first_message=%s recipients=%d account=%d",
                self.batch.transmission_id,
                name_of(self.shard, accepted.base_id),
                self.batch.size,
                self.batch.account_id,
            )
        return accepted.reply if accepted.repeated else self.answer


def inject(
    request: TransmissionRequest,
    account: SendingAccount,
    spool: Spool,
    *,
    transmission_id: str,
    now: datetime,
    reply: Callable[[TransmissionAccepted], bytes],
    schedule_ahead: timedelta = SCHEDULE_AHEAD,
) -> bytes:
    """Accept a transmission durably and return the edge's reply to it.

    reply: shapes the answer; it is stored with the batch, and a request that repeats an idempotency
    key gets the very answer of the first. schedule_ahead: how far `start_time` may lie ahead.
    Raises InjectionRefused when nothing was accepted, and SpoolError (SpoolUnavailable: try again;
    IdempotencyConflict) when it could not be stored.
    """
    validated = validate(
        request,
        account,
        transmission_id=transmission_id,
        now=now,
        reply=reply,
        schedule_ahead=schedule_ahead,
    )
    (prepared,) = prepare_all([validated])
    return prepared.answered(spool.append(prepared.shard, prepared.batch))


async def inject_all(
    spool: LoopSpool, prepared: Sequence[Prepared]
) -> Sequence[bytes | SpoolError]:
    """Accept transmissions of one account durably, together.

    Returns each one's reply, or why it was not stored.
    """
    if not prepared:
        return []
    (shard,) = {one.shard for one in prepared}
    try:
        outcomes = await spool.append_all(shard, [one.batch for one in prepared])
    except SpoolError as error:
        return [error] * len(prepared)
    return [
        one.answered(outcome) if isinstance(outcome, Accepted) else outcome
        for one, outcome in zip(prepared, outcomes, strict=True)
    ]


def validate(
    request: TransmissionRequest,
    account: SendingAccount,
    *,
    transmission_id: str,
    now: datetime,
    reply: Callable[[TransmissionAccepted], bytes],
    schedule_ahead: timedelta = SCHEDULE_AHEAD,
) -> Validated:
    """Judge a transmission, as `inject` does. Raises as it."""
    if account.is_suspended:
        raise AccountSuspended
    _check_headers(request)
    _check_sizes(request)
    sender, sending_domain = _sender(request, account)
    pool = _pool(request, account)
    injected_at = _milliseconds(now)
    starts_at = _starts_at(request, now, schedule_ahead)
    hours = _local_plan(request, account, starts_at or injected_at)
    if hours is not None:  # it is scheduled, be it for this very moment
        starts_at = starts_at or injected_at + 1
    addressees, rejected = _addressees(request, account, hours, starts_at or injected_at)
    moments = [addressee.due_at for addressee in addressees] if hours is not None else []
    return Validated(
        request=request,
        account=account,
        transmission_id=transmission_id,
        injected_at=injected_at,
        starts_at=starts_at,
        first_at=min(moments, default=starts_at),
        pool=pool,
        sender=sender,
        sending_domain=sending_domain,
        addressees=addressees,
        content=_content(
            request,
            account,
            transmission_id=transmission_id,
            injected_at=injected_at,
            pool=pool,
            sender=sender,
            sending_domain=sending_domain,
        ),
        answer=reply(
            TransmissionAccepted(
                transmission_id,
                len(addressees),
                rejected,
                None if hours is None else hours.told(moments),
            )
        ),
    )


def prepare_all(validated: Sequence[Validated]) -> list[Prepared]:
    """Make transmissions ready to be stored; one query tells who of an account is suppressed.

    A second one tells who engaged when, for accounts that know.
    """
    wanted: dict[tuple[int, bool], list[str]] = {}
    for one in validated:
        if not one.request.skip_suppression:
            addresses = wanted.setdefault((one.account.account_id, one.request.transactional), [])
            addresses += [addressee.recipient.rcpt_to for addressee in one.addressees]
    sources = {
        (account_id, transactional): suppressed_among(account_id, addresses, transactional)
        for (account_id, transactional), addresses in wanted.items()
    }
    tiers = _tiers(validated)
    return [
        _prepared(
            one,
            {}
            if one.request.skip_suppression
            else sources[one.account.account_id, one.request.transactional],
            tiers.get(one.account.account_id),
        )
        for one in validated
    ]


def _tiers(validated: Sequence[Validated]) -> dict[int, Mapping[str, int]]:
    """Return the tiers of who engaged, by address, for each account that knows of any."""
    wanted: dict[int, list[str]] = {}
    for one in validated:
        if one.account.knows_engagement:
            addresses = wanted.setdefault(one.account.account_id, [])
            addresses += [addressee.recipient.rcpt_to for addressee in one.addressees]
    if not wanted:
        return {}
    today = datetime.fromtimestamp(validated[0].injected_at / 1000, UTC).date()
    return {
        account_id: tiers_of(account_id, addresses, today)
        for account_id, addresses in wanted.items()
    }


def _prepared(
    one: Validated, sources: Mapping[str, str], tiers: Mapping[str, int] | None
) -> Prepared:
    """sources: of the suppression that stops an address, for those that one does.

    tiers: of who is known to have engaged; None: the account knows of nobody.
    """
    request, account, addressees = one.request, one.account, one.addressees
    suppressed = [sources.get(addressee.recipient.rcpt_to) for addressee in addressees]
    batch = Batch(
        account_id=account.account_id,
        transmission_id=one.transmission_id,
        pool_id=one.pool.pool_id,
        policy_version=account.policy_version,
        injected_at=one.injected_at,
        size=len(addressees),
        content=one.content,
        messages=_rows(account.account_id, addressees, suppressed, tiers),
        injection=codec.pack(
            Injection(
                account_id=account.account_id,
                transmission_id=one.transmission_id,
                injected_at=one.injected_at,
                ip_pool=one.pool.slug,
                friendly_from=one.sender.email,
                sending_domain=one.sending_domain,
                subject=request.subject,
                recipients=_injected(addressees, suppressed),
                campaign_id=request.campaign_id,
                transactional=request.transactional,
                metadata=request.metadata,
                recv_method=request.recv_method,
                starts_at=one.first_at,
                description=request.description,
            )
        ),
        idempotency_key=request.idempotency_key,
        fingerprint=request.fingerprint,
        reply=one.answer if request.idempotency_key is not None else b"",
        campaign_id=request.campaign_id or "",
        starts_at=one.starts_at,
    )
    return Prepared(account.shard, batch, one.answer)


def _check_headers(request: TransmissionRequest) -> None:
    """Refuse whatever could become a header of its own, or stands in for a field (H1, H3)."""
    single = (
        ("content.from.email", request.sender.email),
        ("content.from.name", request.sender.name),
        ("content.subject", request.subject),
        ("content.reply_to", request.reply_to),
        ("campaign_id", request.campaign_id),
        ("return_path", request.return_path),
    )
    for name, value in single:
        if value is not None and breaks_a_line(value):
            raise HeaderRefused(f"{name} must not contain line breaks or control characters", name)
    for name, value in request.headers.items():
        _check_header(name, value)
    if request.message_key and (
        len(request.recipients) != 1
        or len(request.message_key) > MESSAGE_KEY_CHARACTERS
        or not _MESSAGE_KEY.fullmatch(request.message_key)
    ):
        raise HeaderRefused(
            "message_key is 1 to 64 letters, digits, '.', '-' and '_', for one recipient",
            "message_key",
        )
    for kind in ("attachments", "inline_images"):
        for part in getattr(request, kind):
            if breaks_a_line(part.name) or breaks_a_line(part.type):
                field_name = f"content.{kind}"
                raise HeaderRefused(
                    f"{field_name}: name and type must not contain line breaks or control "
                    "characters",
                    field_name,
                )


def _check_header(name: str, value: str) -> None:
    shown = name.encode("unicode_escape").decode("ascii")[:100]
    field_name = f"content.headers.{shown}"
    if not name or not _TOKEN_CHARACTERS.issuperset(name):
        raise HeaderRefused(f"content.headers: '{shown}' is not a valid header name", field_name)
    if len(name) > HEADER_NAME_CHARACTERS:
        raise HeaderRefused(
            f"content.headers: the name {shown}… has more than {HEADER_NAME_CHARACTERS} characters",
            field_name,
        )
    if breaks_a_line(value):
        raise HeaderRefused(
            f"{field_name} must not contain line breaks or control characters", field_name
        )
    own = _OWN_FIELD.get(name.lower())
    if own is not None:
        raise HeaderRefused(f"{field_name} is not allowed here: use {own}", field_name)


def _is_ours(name: str) -> bool:
    lower = name.lower()
    return lower in _OURS or lower == "mime-version" or lower.startswith("content-")


def _check_sizes(request: TransmissionRequest) -> None:
    if request.campaign_id and len(request.campaign_id.encode()) > CAMPAIGN_ID_BYTES:
        raise FieldInvalid(
            f"campaign_id must be at most {CAMPAIGN_ID_BYTES} bytes", field="campaign_id"
        )
    if request.metadata and _json_size(request.metadata) > METADATA_BYTES:
        raise MetadataTooLarge("metadata must be at most 10 KB of JSON", field="metadata")
    data = request.substitution_data
    if data and _json_size(data) > SUBSTITUTION_DATA_BYTES:
        raise SubstitutionDataTooLarge(
            "substitution_data must be at most 100 KB of JSON", field="substitution_data"
        )
    bodies: tuple[str | None, ...] = (request.text, request.html, request.amp_html)
    for variant in request.variants.values():
        bodies += (variant.text, variant.html, variant.amp_html)
    size = sum(len(body.encode()) for body in bodies if body)
    for part in (*request.attachments, *request.inline_images):
        if len(part.name.encode()) > FILE_NAME_BYTES:
            raise FieldInvalid(
                f"the name of an attachment must be at most {FILE_NAME_BYTES} bytes",
                field="content",
            )
        size += len(part.data)
    if len(request.raw or b"") > RAW_BYTES:
        raise FieldInvalid("a message must be at most 20 MB", field="content")
    if size > CONTENT_BYTES:
        raise FieldInvalid(
            "content must be at most 20 MB: text, html, variants, attachments and inline images "
            "together",
            field="content",
        )


def _json_size(value: Any) -> int:
    return len(codec.json_bytes(value))


def _sender(request: TransmissionRequest, account: SendingAccount) -> tuple[Mailbox, str]:
    """Return the From mailbox, its domain in ASCII, and that domain, which the account verified.

    The domain is "" when an expression decides it: then generation must check.
    """
    if request.return_path is not None:
        _check_return_path(request.return_path, account)
    sender = request.sender
    if not sender.email:
        raise FieldMissing("content.from is a required field", field="content.from")
    # Headers are rendered even without `perform_substitutions`, but never those of a raw message.
    if request.raw is None and EXPRESSION in sender.email:
        return sender, ""
    found = envelope_address(sender.email)
    if found is None:
        raise FieldInvalid(
            f"content.from: '{sender.email[:200]}' is not an email address", field="content.from"
        )
    email, domain = found
    if domain not in account.verified_domains:
        raise SenderUnverified(domain, "content.from")
    return (sender if email == sender.email else Mailbox(email, sender.name)), domain


def _check_return_path(address: str, account: SendingAccount) -> None:
    found = envelope_address(address)
    if found is None or not address.isascii():
        raise FieldInvalid(
            f"return_path: '{address[:200]}' is not an ASCII email address", field="return_path"
        )
    if not account.owns(found[1]):
        raise SenderUnverified(found[1], "return_path")


def _pool(request: TransmissionRequest, account: SendingAccount) -> PoolEntry:
    pool = account.pool(request.ip_pool)
    if pool is None:
        raise PoolUnknown("default" if request.ip_pool is None else request.ip_pool)
    if not pool.has_ips:
        raise PoolWithoutIps(pool.slug)
    return pool


def _starts_at(request: TransmissionRequest, now: datetime, schedule_ahead: timedelta) -> int:
    """Return when it is to leave, 0 for at once."""
    start = request.start_time
    if start is None or start <= now:
        return 0
    if start > now + schedule_ahead:
        raise FieldInvalid(
            f"options.start_time must be at most {schedule_ahead.days} days ahead",
            field="options.start_time",
        )
    return _milliseconds(start)


def _local_plan(
    request: TransmissionRequest, account: SendingAccount, not_before: int
) -> LocalPlan | None:
    if request.local_time is None:
        return None
    moment = datetime.fromtimestamp(not_before / 1000, UTC)
    return plan(request.local_time, account.time_zone, moment, transactional=request.transactional)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _addressees(
    request: TransmissionRequest, account: SendingAccount, hours: LocalPlan | None, due_at: int
) -> tuple[list[_Addressee], list[RejectedRecipient]]:
    """Return who can be sent to, and who cannot. Raises NoValidRecipient when nobody can."""
    addressees: list[_Addressee] = []
    rejected: list[RejectedRecipient] = []
    for recipient in request.recipients:
        judged = (
            recipient
            if isinstance(recipient, RejectedRecipient)
            else _addressee(recipient, account, hours, due_at)
        )
        if isinstance(judged, _Addressee):
            addressees.append(judged)
        else:
            rejected.append(judged)
    if not addressees:
        raise NoValidRecipient(rejected)
    return addressees, rejected


def _addressee(
    recipient: Recipient, account: SendingAccount, hours: LocalPlan | None, due_at: int
) -> _Addressee | RejectedRecipient:
    found = envelope_address(recipient.rcpt_to)
    if found is None:
        return RejectedRecipient(f"invalid recipient address.email: {recipient.rcpt_to[:320]}")
    wrong = _wrong_with(recipient, account)
    if wrong is not None:
        return RejectedRecipient(wrong)
    rcpt_to, domain = found
    if rcpt_to is not recipient.rcpt_to:
        recipient = msgspec.structs.replace(recipient, rcpt_to=rcpt_to)
    if hours is not None:
        recipient, due_at = hours.placed(recipient)
    try:
        packed = codec.pack(recipient)
    except OverflowError:
        return RejectedRecipient("metadata and substitution_data: integers must fit 64 bits")
    wrong = _too_large(recipient, len(packed))
    return (
        _Addressee(recipient, packed, domain, due_at) if wrong is None else RejectedRecipient(wrong)
    )


def _wrong_with(recipient: Recipient, account: SendingAccount) -> str | None:
    """Return what makes a recipient's own fields unusable, or None."""
    if recipient.name is not None and breaks_a_line(recipient.name):
        return "address.name must not contain line breaks or control characters"
    if recipient.header_to is not None and breaks_a_line(recipient.header_to):
        return "address.header_to must not contain line breaks or control characters"
    if (wrong := language_trouble(recipient.language)) is not None:
        return wrong
    if len(recipient.time_zone) > ZONE_CHARACTERS:
        return f"time_zone has more than {ZONE_CHARACTERS} characters; write it as Asia/Jakarta"
    if recipient.return_path is not None:
        found = envelope_address(recipient.return_path)
        ascii_only = recipient.return_path.isascii()
        if found is None or not ascii_only or not account.owns(found[1]):
            return f"return_path is not in a verified sending domain: {recipient.return_path[:320]}"
    return None


def _too_large(recipient: Recipient, packed_bytes: int) -> str | None:
    if packed_bytes * _JSON_OVER_MSGPACK <= METADATA_BYTES:
        return None
    if _json_size(recipient.metadata) > METADATA_BYTES:
        return "metadata of a recipient must be at most 10 KB of JSON"
    if _json_size(recipient.substitution_data) > SUBSTITUTION_DATA_BYTES:
        return "substitution_data of a recipient must be at most 100 KB of JSON"
    return None


def _rows(
    account_id: int,
    addressees: Sequence[_Addressee],
    suppressed: Sequence[str | None],
    tiers: Mapping[str, int] | None,
) -> list[MessageRow]:
    return [
        MessageRow(
            index,
            addressee.domain,
            addressee.due_at,
            addressee.packed,
            tier=0 if tiers is None else tiers.get(addressee.recipient.rcpt_to, NEVER),
            bucket=bucket_of(account_id, addressee.recipient.rcpt_to),
        )
        for index, (addressee, source) in enumerate(zip(addressees, suppressed, strict=True))
        if source is None
    ]


def _injected(
    addressees: Sequence[_Addressee], suppressed: Sequence[str | None]
) -> list[InjectedRecipient]:
    return [
        InjectedRecipient(recipient.rcpt_to, recipient.metadata, recipient.tags, source)
        for recipient, source in zip(
            (addressee.recipient for addressee in addressees), suppressed, strict=True
        )
    ]


def _content(
    request: TransmissionRequest,
    account: SendingAccount,
    *,
    transmission_id: str,
    injected_at: int,
    pool: PoolEntry,
    sender: Mailbox,
    sending_domain: str,
) -> bytes:
    content = Content(
        account_id=account.account_id,
        transmission_id=transmission_id,
        injected_at=injected_at,
        pool_id=pool.pool_id,
        ip_pool=pool.slug,
        sending_domain=sending_domain,
        sender=sender,
        subject=request.subject,
        text=request.text,
        html=request.html,
        amp_html=request.amp_html,
        reply_to=request.reply_to,
        headers={name: value for name, value in request.headers.items() if not _is_ours(name)},
        attachments=list(request.attachments),
        inline_images=list(request.inline_images),
        substitution_data=request.substitution_data,
        metadata=request.metadata,
        campaign_id=request.campaign_id,
        transactional=request.transactional,
        perform_substitutions=request.perform_substitutions,
        return_path=request.return_path,
        raw=request.raw,
        skip_suppression=request.skip_suppression,
        message_key=request.message_key,
        language=checked_language(request.language),
        variants=checked_variants(request.variants) if request.variants else {},
    )
    try:
        return codec.pack(content)
    except OverflowError:
        raise FieldInvalid(
            "metadata and substitution_data: integers must fit 64 bits", field="substitution_data"
        ) from None
