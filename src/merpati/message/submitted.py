"""A complete message that a client wrote itself: taken apart, judged, and made ready to be stored.

Its body stays as it is, byte for byte. Of its header, what must not leave is taken out (test case
H3), what is beyond ASCII is encoded, so that every mailbox provider can take it, and what every
message needs is added where it is missing. Other fields keep their order and their bytes.

A client's `Received` stays: RFC 5321 4.4 forbids to remove one, and counting them ends loops.

Source: RFC 5322 3.6 (how often a field may occur), RFC 6409 8 (what submission may add), RFC 6376
8.15 (fields that occur twice), sparkpost-api 24.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import format_datetime
from functools import lru_cache
from typing import NamedTuple

from merpati.message.errors import MessageError
from merpati.message.header import (
    HeaderField,
    NamedAddress,
    address_field,
    clean,
    is_address,
    mailbox_field,
    read_mailbox,
    split_addresses,
    text_field,
)

HEADER_BYTES = 256 * 1024
MOST_RECEIVED = 100  # RFC 5321 6.3
_REMEMBERED = 320  # characters of a From header, so that memory stays small

OPTIONS_HEADER = "x-msys-api"
_REMOVED = frozenset(
    {"bcc", "resent-bcc", "return-path", "dkim-signature", "x-msfbl", OPTIONS_HEADER}
)
_ONCE = frozenset(
    {"from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id", OPTIONS_HEADER}
    | {"mime-version", "content-type", "content-transfer-encoding"}
)
_OF_ADDRESSES = frozenset({"from", "sender", "reply-to", "to", "cc"})
_FIELD = re.compile(rb"([!-9;-~]{1,76}):[^\r\n]*(?:\r\n[ \t][^\r\n]*)*\r\n")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FOLD = re.compile(r"\r\n[ \t]+")
# What is not closed is taken to its end, once: else each quotation mark behind would be tried.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+("?)', re.DOTALL)


class MessageRefused(MessageError):
    """A submitted message cannot be sent as it is; `reason` is for people.

    is_loop: it has passed too many servers.
    """

    def __init__(self, reason: str, is_loop: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_loop = is_loop


class RawField(NamedTuple):
    """A field of a header as it came. name: lower case; wire: all its lines, with line ends."""

    name: str
    wire: bytes

    @property
    def value(self) -> str:
        """Return the unfolded value; UTF-8, since `read_submitted` let nothing else pass."""
        text = self.wire.partition(b":")[2].decode("utf-8", "replace").strip()
        return _FOLD.sub(" ", text) if "\n" in text else text


@dataclass(frozen=True, slots=True)
class SubmittedMessage:
    """A message a client wrote, its header in ASCII and without what must not leave.

    options: the value of X-MSYS-API, None without one; subject: readable, for events.
    """

    fields: Sequence[RawField]
    body: bytes
    sender: NamedAddress
    subject: str
    options: str | None

    def has(self, name: str) -> bool:
        """Return whether there is a field of this lower-case name."""
        return name in [field.name for field in self.fields]


def read_submitted(data: bytes) -> SubmittedMessage:
    """Take a message apart. data: CRLF lines only, ends in CRLF. Raises MessageRefused."""
    head, body = split_message(data)
    if len(head) > HEADER_BYTES:
        raise MessageRefused(f"the header has more than {HEADER_BYTES // 1024} KB")
    fields = read_fields(head)
    _check_occurrences(fields)
    named = {field.name: field for field in fields}
    if "from" not in named:
        raise MessageRefused("the message has no From header")
    kept = [field for field in fields if field.name not in _REMOVED]
    if not head.isascii():
        kept = [_in_ascii(field) for field in kept]
    options = named.get(OPTIONS_HEADER)
    subject = named.get("subject")
    return SubmittedMessage(
        fields=kept,
        body=body,
        sender=_sender_of(named["from"].value),
        subject=_decoded(subject.value) if subject else "",
        options=_decoded_words(options.value) if options else None,
    )


def finished(
    message: SubmittedMessage,
    *,
    received: str,
    message_id: str,
    injected_at: int,
    cc: Sequence[NamedAddress] = (),
) -> bytes:
    """Return a message as it is stored: with Received, and with Date and Message-ID.

    received: the field's value, its lines separated by CRLF and a blank; message_id: without angle
    brackets; injected_at: milliseconds since the epoch; cc: shown besides those it names itself.
    """
    added = [f"Received: {received}\r\n".encode("ascii", "replace")]
    if not message.has("date"):
        added.append(f"Date: {date_text(injected_at // 1000)}\r\n".encode())
    if not message.has("message-id"):
        added.append(f"Message-ID: <{message_id}>\r\n".encode())
    fields = list(message.fields)
    if cc:
        shown = [field.value for field in fields if field.name == "cc"]
        fields = [field for field in fields if field.name != "cc"]
        # Each name is encoded by itself: a comma in one must not make two addresses of it.
        own = [mailbox_field("Cc", mailbox).wire[4:].strip() for mailbox in cc]
        if field := address_field("Cc", ", ".join([*shown, *own])):
            fields.append(RawField("cc", field.wire.encode("ascii")))
    return b"".join([*added, *[field.wire for field in fields], b"\r\n", message.body])


@lru_cache(maxsize=4)
def date_text(seconds: int) -> str:
    """Return a moment as header fields write it; seconds: since the epoch."""
    return format_datetime(datetime.fromtimestamp(seconds, UTC))


def split_message(data: bytes) -> tuple[bytes, bytes]:
    """Return (header with its line ends, body without the empty line between them)."""
    if data.startswith(b"\r\n"):
        return b"", data[2:]
    head, found, body = data.partition(b"\r\n\r\n")
    return (head + b"\r\n", body) if found else (data, b"")


def read_fields(head: bytes) -> list[RawField]:
    """Return a header's fields in order. Raises MessageRefused for lines that are none."""
    fields: list[RawField] = []
    end = 0
    while end < len(head):
        found = _FIELD.match(head, end)
        if found is None:
            number = len(fields) + 1
            raise MessageRefused(f"header field {number} is none: a name and a colon are missing")
        fields.append(RawField(found[1].decode("ascii").lower(), found[0]))
        end = found.end()
    if _CONTROL.search(head):
        name = next(field.name for field in fields if _CONTROL.search(field.wire))
        raise MessageRefused(f"the header {name} holds control characters")
    return fields


def _check_occurrences(fields: Sequence[RawField]) -> None:
    names = [field.name for field in fields]
    if len(set(names)) == len(names):
        return
    for name in _ONCE:
        if names.count(name) > 1:
            raise MessageRefused(f"the header {name} occurs {names.count(name)} times")
    if names.count("received") > MOST_RECEIVED:
        raise MessageRefused("too many hops: this message goes round in circles", is_loop=True)


def _in_ascii(field: RawField) -> RawField:
    if field.wire.isascii():
        return field
    try:
        field.wire.decode("utf-8")
    except UnicodeDecodeError:
        raise MessageRefused(f"the header {field.name} is neither ASCII nor UTF-8") from None
    if field.name.startswith("content-"):
        raise MessageRefused(f"the header {field.name} must be ASCII (RFC 2231 encodes the rest)")
    name = field.wire.partition(b":")[0].decode("ascii")
    encoded: HeaderField | None
    if field.name in _OF_ADDRESSES:
        encoded = address_field(name, field.value)
    else:
        encoded = text_field(name, field.value)
    return RawField(field.name, encoded.wire.encode("ascii") if encoded else b"")


def _sender_of(value: str) -> NamedAddress:
    # A stream of mail comes from few senders.
    return _sender(value) if len(value) <= _REMEMBERED else _sender.__wrapped__(value)


@lru_cache(maxsize=1_024)
def _sender(value: str) -> NamedAddress:
    """Return the one address of From; what readers could take for another is refused."""
    addresses = split_addresses(value)
    unquoted = _QUOTED.sub(lambda quoted: "" if quoted[1] else quoted[0], value)
    if len(addresses) == 1 and unquoted.count("<") <= 1 and unquoted.count(">") <= 1:
        mailbox = read_mailbox(addresses[0])
        if is_address(mailbox.address):
            return mailbox
    raise MessageRefused("From must hold exactly one address")


def _decoded(value: str) -> str:
    text = _decoded_words(value)
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return clean(text)


def _decoded_words(value: str) -> str:
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):  # an unknown or wrongly used charset
        return value
