"""Which recipients of a transmission can be sent to, and when each is due.

What stands in the way of one rejects that one alone. Source: sparkpost-api 3 and 4; test case R4.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from merpati.adapters import codec
from merpati.contracts.batch import Recipient
from merpati.sending.address import breaks_a_line, envelope_address
from merpati.sending.directory import SendingAccount
from merpati.sending.injection_errors import NoValidRecipient, RejectedRecipient
from merpati.sending.language_variants import language_trouble
from merpati.sending.local_hours import ZONE_CHARACTERS, LocalPlan
from merpati.sending.transmission import TransmissionRequest
from merpati.sending.transmission_rules import (
    METADATA_BYTES,
    SUBSTITUTION_DATA_BYTES,
    json_size,
)

# JSON is at most this many times as long as the same value in msgpack; only what is above the
# limit by that measure is encoded as JSON to be measured exactly.
_JSON_OVER_MSGPACK = 3


class Addressee(NamedTuple):
    """Someone to send to. packed: the recipient as the spool keeps it; due_at: ms since 1970."""

    recipient: Recipient
    packed: bytes
    domain: str
    due_at: int


def addressees_of(
    request: TransmissionRequest, account: SendingAccount, hours: LocalPlan | None, due_at: int
) -> tuple[list[Addressee], list[RejectedRecipient]]:
    """Return who can be sent to, and who cannot. Raises NoValidRecipient when nobody can."""
    addressees: list[Addressee] = []
    rejected: list[RejectedRecipient] = []
    for recipient in request.recipients:
        judged = (
            recipient
            if isinstance(recipient, RejectedRecipient)
            else _addressee(recipient, account, hours, due_at)
        )
        if isinstance(judged, Addressee):
            addressees.append(judged)
        else:
            rejected.append(judged)
    if not addressees:
        raise NoValidRecipient(rejected)
    return addressees, rejected


def _addressee(
    recipient: Recipient, account: SendingAccount, hours: LocalPlan | None, due_at: int
) -> Addressee | RejectedRecipient:
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
        Addressee(recipient, packed, domain, due_at) if wrong is None else RejectedRecipient(wrong)
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
    if json_size(recipient.metadata) > METADATA_BYTES:
        return "metadata of a recipient must be at most 10 KB of JSON"
    if json_size(recipient.substitution_data) > SUBSTITUTION_DATA_BYTES:
        return "substitution_data of a recipient must be at most 100 KB of JSON"
    return None
