"""Composing a message that its sender wrote: signed, given its X-MSFBL, else as it was stored.

Header and body are prepared once for all recipients; for each of them remains one signature over
the header. The body is hashed once and its bytes are shared.

Source: sparkpost-api 24; RFC 6376; RFC 6152 (bodies of 8 bits are marked as such, never changed).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

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


@dataclass(frozen=True, slots=True)
class CompiledRaw:
    """A stored message prepared for all its recipients. Immutable; any thread may use it.

    head: the fields, dot-stuffed; body: the empty line and all after it, dot-stuffed.
    """

    sending_domain: str
    subject: str
    friendly_from: str
    head: bytes
    body: bytes
    is_8bit: bool
    signed: SignedHeaders
    signable: str
    body_hash: bytes


def compile_raw(content: Content) -> CompiledRaw:
    """Return the raw message of a content prepared. Raises MessageRefused for a damaged one."""
    raw = content.raw or b""
    head, body = split_message(raw)
    # Of a field that occurs twice the last is signed: verifiers count from below.
    relaxed = {
        field.name: f"{field.name}:{relaxed_value(field.value)}\r\n" for field in read_fields(head)
    }
    signed = signed_headers(relaxed)
    # Relaxing touches blanks and line ends alone, so each byte may stand for a character.
    canonical = relaxed_body(body.decode("latin-1")).encode("latin-1")
    return CompiledRaw(
        sending_domain=content.sending_domain,
        subject=content.subject,
        friendly_from=content.sender.email,
        head=_stuffed(head),
        body=b"\r\n" + _stuffed(body),
        is_8bit=not body.isascii(),
        signed=signed,
        signable="".join([relaxed[name] for name in signed.names]),
        body_hash=sha256(canonical).digest(),
    )


def compose_raw(
    compiled: CompiledRaw, recipient: Recipient, stamp: Stamp, signer: HeaderSigner | None
) -> Composed:
    """Return one recipient's message, signed unless `signer` is None; raises GenerationFailed."""
    rcpt_to = envelope("recipient", recipient.rcpt_to)
    msg_from = envelope("return path", stamp.return_path)
    own = []
    if signer is not None:
        seconds = stamp.injected_at // 1000
        own.append(signer.header(compiled.signed, compiled.signable, compiled.body_hash, seconds))
    if field := token_field("X-MSFBL", stamp.fbl_token):
        own.append(field.wire)
    if recipient.rcpt_type == BCC:
        own.append(mailbox_field("Bcc", NamedAddress("", rcpt_to)).wire)
    chunks = ("".join(own).encode("ascii") + compiled.head, compiled.body)
    return Composed(
        msg_from,
        rcpt_to,
        chunks,
        sum(map(len, chunks)),
        compiled.subject,
        compiled.friendly_from,
        compiled.is_8bit,
    )


def _stuffed(lines: bytes) -> bytes:
    if lines.startswith(b"."):
        lines = b"." + lines
    return lines.replace(b"\r\n.", b"\r\n..")
