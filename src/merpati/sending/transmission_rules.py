"""What a transmission as a whole must be, so that it can be taken: header fields, sizes, sender.

Each function raises the refusal, which names the field. Pure.

Source: sparkpost-api 3 and 4; test cases H1, H3 (headers), R4 (another account's domain).
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from merpati.adapters import codec
from merpati.contracts.batch import Mailbox
from merpati.sending.address import breaks_a_line, envelope_address
from merpati.sending.directory import PoolEntry, SendingAccount
from merpati.sending.injection_errors import (
    FieldInvalid,
    FieldMissing,
    HeaderRefused,
    MetadataTooLarge,
    PoolUnknown,
    PoolWithoutIps,
    SenderUnverified,
    SubstitutionDataTooLarge,
)
from merpati.sending.transmission import TransmissionRequest

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

_OWN_FIELD = {
    "subject": "content.subject",
    "from": "content.from",
    "to": "recipients[].address.header_to",
    "reply-to": "content.reply_to",
    "bcc": "a recipient of its own with address.header_to",
}
_TOKEN_CHARACTERS = frozenset(
    "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)


def check_headers(request: TransmissionRequest) -> None:
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


def check_sizes(request: TransmissionRequest) -> None:
    """Refuse what is larger than SparkPost takes: campaign, metadata, data, texts and files."""
    if request.campaign_id and len(request.campaign_id.encode()) > CAMPAIGN_ID_BYTES:
        raise FieldInvalid(
            f"campaign_id must be at most {CAMPAIGN_ID_BYTES} bytes", field="campaign_id"
        )
    if request.metadata and json_size(request.metadata) > METADATA_BYTES:
        raise MetadataTooLarge("metadata must be at most 10 KB of JSON", field="metadata")
    data = request.substitution_data
    if data and json_size(data) > SUBSTITUTION_DATA_BYTES:
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


def json_size(value: Any) -> int:
    """Return how many bytes a value takes as JSON."""
    return len(codec.json_bytes(value))


def verified_sender(request: TransmissionRequest, account: SendingAccount) -> tuple[Mailbox, str]:
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


def pool_of(request: TransmissionRequest, account: SendingAccount) -> PoolEntry:
    """Return the pool that was asked for, or the default one."""
    pool = account.pool(request.ip_pool)
    if pool is None:
        raise PoolUnknown("default" if request.ip_pool is None else request.ip_pool)
    if not pool.has_ips:
        raise PoolWithoutIps(pool.slug)
    return pool


def starts_at_of(request: TransmissionRequest, now: datetime, schedule_ahead: timedelta) -> int:
    """Return when it is to leave, 0 for at once."""
    start = request.start_time
    if start is None or start <= now:
        return 0
    if start > now + schedule_ahead:
        raise FieldInvalid(
            f"options.start_time must be at most {schedule_ahead.days} days ahead",
            field="options.start_time",
        )
    return int(start.timestamp() * 1000)
