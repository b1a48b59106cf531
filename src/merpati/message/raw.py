"""Composing a message that its sender wrote: signed, given its X-MSFBL, else as it was stored.

Header and body are prepared once for all recipients, and only as far as they are needed; for each
of them remains one signature over the header. The body is hashed once and its bytes are shared.

Source: sparkpost-api 24; RFC 6376; RFC 6152 (bodies of 8 bits are marked as such, never changed).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import NamedTuple

from merpati.contracts.batch import Content, Recipient
from merpati.message.compose import Composed, Stamp, envelope
from merpati.message.dkim import (
    HeaderSigner,
    SignedHeaders,
    relaxed_body,
    relaxed_value,
    signed_headers,
)
from merpati.message.header import NamedAddress, mailbox_field, token_field
from merpati.message.submitted import read_fields, split_message

BCC = "bcc"  # the Recipient.rcpt_type that sees itself in a Bcc header


class Signable(NamedTuple):
    """What a signature of the message covers. headers: those signed, in relaxed form."""

    signed: SignedHeaders
    headers: str
    body_hash: bytes


@dataclass(frozen=True)
class CompiledRaw:
    """A stored message prepared for all its recipients. Immutable; any thread may use it.

    head: its fields; body: all after the empty line; both as they were written.
    """

    sending_domain: str
    subject: str
    friendly_from: str
    head: bytes
    body: bytes

    @cached_property
    def stuffed(self) -> tuple[bytes, bytes]:
        """Return the fields, and the empty line with all after it, dot-stuffed."""
        return _stuffed(self.head), b"\r\n" + _stuffed(self.body)

    @cached_property
    def is_8bit(self) -> bool:
        """Return whether the body has bytes beyond ASCII."""
        return not self.body.isascii()

    @cached_property
    def signable(self) -> Signable:
        """Return what is signed; looked at only where it is. Raises MessageRefused if damaged."""
        # Of a field that occurs twice the last is signed: verifiers count from below.
        relaxed = {
            field.name: f"{field.name}:{relaxed_value(field.value)}\r\n"
            for field in read_fields(self.head)
        }
        signed = signed_headers(relaxed)
        # Relaxing touches blanks and line ends alone, so each byte may stand for a character.
        canonical = relaxed_body(self.body.decode("latin-1")).encode("latin-1")
        headers = "".join([relaxed[name] for name in signed.names])
        return Signable(signed, headers, sha256(canonical).digest())


def compile_raw(content: Content) -> CompiledRaw:
    """Return the raw message of a content prepared."""
    head, body = split_message(content.raw or b"")
    return CompiledRaw(content.sending_domain, content.subject, content.sender.email, head, body)


def compose_raw(
    compiled: CompiledRaw, recipient: Recipient, stamp: Stamp, signer: HeaderSigner | None
) -> Composed:
    """Return one recipient's message, signed unless `signer` is None.

    Raises GenerationFailed, MessageRefused.
    """
    rcpt_to = envelope("recipient", recipient.rcpt_to)
    msg_from = envelope("return path", stamp.return_path)
    own = []
    if signer is not None:
        own.append(signer.header(*compiled.signable, stamp.injected_at // 1000))
    if field := token_field("X-MSFBL", stamp.fbl_token):
        own.append(field.wire)
    if recipient.rcpt_type == BCC:
        own.append(mailbox_field("Bcc", NamedAddress("", rcpt_to)).wire)
    head, body = compiled.stuffed
    chunks = ("".join(own).encode("ascii") + head, body)
    return Composed(
        msg_from,
        rcpt_to,
        chunks,
        len(chunks[0]) + len(body),
        compiled.subject,
        compiled.friendly_from,
        compiled.is_8bit,
    )


def _stuffed(lines: bytes) -> bytes:
    if lines.startswith(b"."):
        lines = b"." + lines
    return lines.replace(b"\r\n.", b"\r\n..")
