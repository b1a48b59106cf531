"""Signed links that say "this contact, this case": addresses to reply to, and pages.

Whoever holds one acts as that contact in that case, and nowhere else: it went to them by email, and
nobody else can make one. To look is all that opening a link does; acting takes a POST or a mail.

An **address**, `support+TOKEN@…`, holds for good: people answer old mail. It is in hex, since
relays change the case of local parts. A **page token**, for `/c/TOKEN`, holds 90 days; each mail
has a new one. **Staff** have addresses of their own; theirs alone prove nothing (`mail/intake.py`),
since they speak for the desk. All are signed for different purposes, so none opens what another
does.

Source: RFC 5321 4.5.3.1.1 (a local part has at most 64 octets), RFC 5233 ("+" for details).
"""

from __future__ import annotations

import hmac
import struct
from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2s

from merpati.desk.errors import DeskError

LABEL = "contact-links"  # the key of both: `SecretBox.derive(LABEL)`
PAGE_LASTS = timedelta(days=90)

_IDS = struct.Struct(">II")  # case, contact
_DATED = struct.Struct(">IIH")  # and the day it was made, since the epoch
_ADDRESS_MAC_BYTES, _PAGE_MAC_BYTES = 10, 20
_ADDRESS, _PAGE, _STAFF = b"address1", b"page---1", b"staff--1"
TOKEN_CHARACTERS = 2 * (_IDS.size + _ADDRESS_MAC_BYTES)
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class ContactLink:
    """Who may act where."""

    case_number: int
    contact_id: int


@dataclass(frozen=True, slots=True)
class StaffLink:
    """Which of the desk's people was written to about which case."""

    case_number: int
    person_id: int


class LinkInvalid(DeskError):
    """It is no link of ours, or was changed."""

    def __init__(self) -> None:
        super().__init__(
            "This link is not complete. Copy it whole from the email, or answer that email."
        )


class LinkExpired(DeskError):
    """It is ours, and too old; `link` says whose it was."""

    def __init__(self, link: ContactLink) -> None:
        super().__init__(
            f"This link is older than {PAGE_LASTS.days} days. Answer the email that it came with: "
            "the reply reaches the case, and the next email brings a new link."
        )
        self.link = link


def reply_address(key: bytes, link: ContactLink, support_address: str) -> str:
    """Return the address by which a contact's mail reaches their case."""
    return _address(key, _ADDRESS, _IDS.pack(link.case_number, link.contact_id), support_address)


def staff_address(key: bytes, link: StaffLink, support_address: str) -> str:
    """Return the address by which one of the desk's people answers in a case."""
    return _address(key, _STAFF, _IDS.pack(link.case_number, link.person_id), support_address)


def read_reply_address(key: bytes, address: str, support_address: str) -> ContactLink | None:
    """Return whose case an address leads to; None when it is not one that we made."""
    ids = _read_address(key, _ADDRESS, address, support_address)
    return ContactLink(*_IDS.unpack(ids)) if ids else None


def read_staff_address(key: bytes, address: str, support_address: str) -> StaffLink | None:
    """Return which person and case an address is of; None when it is not one that we made."""
    ids = _read_address(key, _STAFF, address, support_address)
    return StaffLink(*_IDS.unpack(ids)) if ids else None


def _address(key: bytes, purpose: bytes, ids: bytes, support_address: str) -> str:
    local, _, domain = support_address.rpartition("@")
    token = (ids + _mac(key, purpose, ids, _ADDRESS_MAC_BYTES)).hex()
    return f"{local}+{token}@{domain}"


def _read_address(key: bytes, purpose: bytes, address: str, support_address: str) -> bytes | None:
    local, _, domain = support_address.rpartition("@")
    given, _, at = address.strip().lower().rpartition("@")
    name, _, token = given.rpartition("+")
    if (name, at) != (local, domain) or len(token) != TOKEN_CHARACTERS:
        return None
    try:
        packed = bytes.fromhex(token)
    except ValueError:
        return None
    if len(packed) != _IDS.size + _ADDRESS_MAC_BYTES:  # fromhex skips blanks
        return None
    ids, mac = packed[: _IDS.size], packed[_IDS.size :]
    is_ours = hmac.compare_digest(mac, _mac(key, purpose, ids, _ADDRESS_MAC_BYTES))
    return ids if is_ours else None


def page_token(key: bytes, link: ContactLink, now: datetime) -> str:
    """Return the TOKEN of `/c/TOKEN` for a contact's page of a case."""
    day = (now.astimezone(UTC).date() - _EPOCH).days
    ids = _DATED.pack(link.case_number, link.contact_id, day)
    packed = ids + _mac(key, _PAGE, ids, _PAGE_MAC_BYTES)
    return urlsafe_b64encode(packed).decode().rstrip("=")


def read_page_token(key: bytes, token: str, now: datetime) -> ContactLink:
    """Return whose page of which case a token opens. Raises LinkInvalid, LinkExpired."""
    try:
        packed = b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
    except ValueError:  # binascii.Error is one
        raise LinkInvalid from None
    ids, mac = packed[: _DATED.size], packed[_DATED.size :]
    if len(ids) != _DATED.size or not hmac.compare_digest(
        mac, _mac(key, _PAGE, ids, _PAGE_MAC_BYTES)
    ):
        raise LinkInvalid
    number, contact_id, day = _DATED.unpack(ids)
    link = ContactLink(number, contact_id)
    if now.astimezone(UTC).date() - (_EPOCH + timedelta(days=day)) > PAGE_LASTS:
        raise LinkExpired(link)
    return link


def _mac(key: bytes, purpose: bytes, ids: bytes, size: int) -> bytes:
    return blake2s(ids, key=key, digest_size=size, person=purpose).digest()
