"""One email, from a transmission's content and one recipient: rendered, assembled, signed.

`compile_content` does once what all recipients share; `compose` does the rest. Nothing here reads a
clock or makes a random number: what must not change between two attempts comes in with the `Stamp`,
so the same message is the same bytes however often it is composed.

Source: sparkpost-api 3.3, 4, 6.1; test cases H1, H3, S6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from hashlib import blake2s, sha256
from typing import Any

from merpati.contracts.batch import Content, Recipient
from merpati.message.body import BodyPart
from merpati.message.dkim import HeaderSigner, SignedHeaders, signed_headers
from merpati.message.errors import GenerationFailed, TemplateRenderError, TemplateSyntaxError
from merpati.message.header import (
    HeaderField,
    NamedAddress,
    address_field,
    ascii_address,
    clean,
    is_address,
    is_header_name,
    mailbox_field,
    read_mailbox,
    text_field,
    token_field,
)
from merpati.message.mime import Layout, assemble, layout
from merpati.message.template import (
    Place,
    Scope,
    Template,
    compile_template,
    literal_template,
)

# Headers a caller cannot set: we write them ourselves, or they must not leave (test case H3).
_OURS = frozenset(
    {"from", "to", "subject", "reply-to", "date", "message-id", "mime-version", "x-msfbl"}
    | {"bcc", "resent-bcc", "return-path", "received", "dkim-signature", "x-msys-api"}
    | {"authentication-results", "arc-seal", "arc-message-signature", "arc-authentication-results"}
)
_OF_ADDRESSES = frozenset({"cc", "reply-to", "sender", "disposition-notification-to"})
_PROVIDED = frozenset({"address", "email", "email_id", "env_from", "return_path"})


@dataclass(frozen=True, slots=True)
class Stamp:
    """What was fixed for one message when it was accepted; the same at every attempt.

    message_key, message_id_domain: the two sides of Message-ID; injected_at: milliseconds since
    the epoch; return_path: envelope sender; fbl_token: opaque, for X-MSFBL, "" for none.
    """

    message_key: str
    message_id_domain: str
    injected_at: int
    return_path: str
    fbl_token: str


@dataclass(frozen=True, slots=True)
class Composed:
    """A message ready for SMTP's DATA.

    chunks: the data in order, CRLF only and dot-stuffed, ending in CRLF, without the final dot;
    big files are chunks of their own that all messages of a content share. size_bytes: of the data;
    is_8bit: it must be sent as BODY=8BITMIME (RFC 6152).
    """

    msg_from: str
    rcpt_to: str
    chunks: tuple[bytes, ...]
    size_bytes: int
    subject: str
    friendly_from: str
    is_8bit: bool = False

    @property
    def data(self) -> bytes:
        """The data in one piece."""
        return self.chunks[0] if len(self.chunks) == 1 else b"".join(self.chunks)


@dataclass(frozen=True, slots=True)
class Header:
    """A header written for each recipient."""

    name: str
    template: Template
    is_of_addresses: bool

    def field(self, scope: Scope) -> HeaderField | None:
        """Return the field; None when it comes out empty. Raises TemplateRenderError."""
        value = self.template.render(scope)
        return (
            address_field(self.name, value)
            if self.is_of_addresses
            else text_field(self.name, value)
        )


@dataclass(frozen=True, slots=True)
class Sender:
    """The From header: `static` when it is the same for all recipients."""

    name: Template
    email: Template
    static: NamedAddress | None

    def mailbox(self, scope: Scope) -> NamedAddress:
        """Return the address; raises GenerationFailed when there is not exactly one."""
        if self.static is not None:
            return self.static
        mailbox = read_mailbox(self.email.render(scope))
        name = clean(self.name.render(scope)) or mailbox.name
        if not is_address(mailbox.address):
            raise GenerationFailed(f"From is not one address: {mailbox.address[:100]!r}")
        return NamedAddress(name, mailbox.address)


@dataclass(frozen=True, slots=True)
class CompiledContent:
    """A content prepared for all its recipients. Immutable; any thread may compose from it.

    sending_domain: the From domain, "" when From varies: then ask `sender_domain`.
    """

    sending_domain: str
    sender: Sender
    subject: Template
    headers: Sequence[HeaderField | Header]
    parts: Sequence[BodyPart]
    layout: Layout
    signed: SignedHeaders
    data: Mapping[str, Any]  # what the transmission says, as far as the templates ask for it
    uses_provided: bool


def compile_content(
    content: Content, layouts: dict[tuple[str, ...], Layout] | None = None
) -> CompiledContent:
    """Return a content prepared for composing; raises TemplateSyntaxError.

    layouts: by kinds of text, shared with others that have the same files.
    """
    texts = _texts(content)
    parts = [_part(kind, text, content.perform_substitutions) for kind, text in texts.items()]
    subject = _header_template("Subject", content.subject)
    sender = _sender(content)
    headers = _headers(content)
    templates = [subject, sender.name, sender.email, *[header.template for header in headers]]
    names = frozenset[str]().union(
        *[part.names for part in parts], *[template.names for template in templates]
    )
    structure = (layouts or {}).get(kinds := tuple(texts))
    if structure is None:
        structure = layout(kinds, content.inline_images, content.attachments)
        if layouts is not None:
            layouts[kinds] = structure
    present = {header.name.lower() for header in headers} | set(structure.header_names)
    return CompiledContent(
        sending_domain=_domain(sender.static.address) if sender.static else "",
        sender=sender,
        subject=subject,
        headers=[header for header in map(_prepared, headers) if header is not None],
        parts=parts,
        layout=structure,
        signed=signed_headers(present | {"from", "to", "subject", "date", "message-id"}),
        data=_shared_data(content, names),
        uses_provided=bool(names & _PROVIDED),
    )


def compose(
    compiled: CompiledContent, recipient: Recipient, stamp: Stamp, signer: HeaderSigner | None
) -> Composed:
    """Return one recipient's message, signed unless `signer` is None; raises GenerationFailed."""
    rcpt_to = envelope("recipient", recipient.rcpt_to)
    msg_from = envelope("return path", stamp.return_path)
    scope = _scope(compiled, recipient, stamp)
    try:
        sender = compiled.sender.mailbox(scope)
        subject = clean(compiled.subject.render(scope))
        optional = [
            text_field("Subject", subject),
            token_field("X-MSFBL", stamp.fbl_token),
            *[
                header if isinstance(header, HeaderField) else header.field(scope)
                for header in compiled.headers
            ],
        ]
        bodies = [part.render(scope) for part in compiled.parts]
    except TemplateRenderError as error:
        raise GenerationFailed(str(error)) from None
    body = assemble(compiled.layout, bodies, _token(stamp))
    date, seconds = _date(stamp.injected_at // 1000), stamp.injected_at // 1000
    message_id = f"<{stamp.message_key}@{stamp.message_id_domain}>"
    fields = [
        HeaderField("message-id", f"Message-ID: {message_id}\r\n", f"message-id:{message_id}\r\n"),
        HeaderField("date", f"Date: {date}\r\n", f"date:{date}\r\n"),
        mailbox_field("From", sender),
        _to_field(recipient, rcpt_to),
        *[field for field in optional if field is not None],
        *body.fields,
    ]
    head = [field.wire for field in fields]
    if signer is not None:
        relaxed = {field.name: field.relaxed for field in fields}
        signed = compiled.signed
        signable = "".join([relaxed[name] for name in signed.names if name in relaxed])
        head.insert(0, signer.header(signed, signable, _hash(body.relaxed), seconds))
    head.append("\r\n")
    chunks = ("".join(head).encode("ascii") + body.wire[0], *body.wire[1:])
    return Composed(msg_from, rcpt_to, chunks, sum(map(len, chunks)), subject, sender.address)


def sender_domain(compiled: CompiledContent, recipient: Recipient, stamp: Stamp) -> str:
    """Return the From domain of one recipient's message, lower case; raises GenerationFailed."""
    if compiled.sender.static is not None:
        return compiled.sending_domain
    try:
        return _domain(compiled.sender.mailbox(_scope(compiled, recipient, stamp)).address)
    except TemplateRenderError as error:
        raise GenerationFailed(str(error)) from None


# -- compiling --


def _texts(content: Content) -> dict[str, str]:
    """Return the texts in MIME's order: the last one a reader understands is shown."""
    given = {"text": content.text, "amp_html": content.amp_html, "html": content.html}
    return {kind: text for kind, text in given.items() if text is not None} or {"text": ""}


def _part(kind: str, source: str, is_template: bool) -> BodyPart:
    if len(source) <= _KEPT_CHARS:
        return _kept_part(kind, source, is_template)
    return _prepared_part(kind, source, is_template)


def _prepared_part(kind: str, source: str, is_template: bool) -> BodyPart:
    if not is_template:
        return BodyPart(literal_template(source, kind))
    place = Place.TEXT if kind == "text" else Place.HTML
    return BodyPart(compile_template(source, place, kind))


# Senders repeat the same texts call after call, with other data: hashing one costs a tenth of
# preparing it. Bounded by number and size, so at most some 20 MB.
_KEPT_CHARS = 40_000
_kept_part = lru_cache(maxsize=64)(_prepared_part)


def _header_template(name: str, source: str) -> Template:
    return compile_template(source, Place.HEADER, f"Header:{name}")


def _sender(content: Content) -> Sender:
    name = _header_template("From", content.sender.name or "")
    email = _header_template("From", content.sender.email)
    sender = Sender(name, email, None)
    if not (name.is_static and email.is_static):
        return sender
    try:
        return Sender(name, email, sender.mailbox({}))
    except GenerationFailed:
        return sender  # each recipient's message then fails with this very reason


def _headers(content: Content) -> list[Header]:
    """Return the headers the caller gives; of two that differ in case only, the later one."""
    headers: dict[str, Header] = {}
    reply_to = content.reply_to
    for name, value in content.headers.items():
        lower = name.lower()
        if not is_header_name(name):
            part = f"Header:{clean(name)[:76]}"
            raise TemplateSyntaxError(part, 1, "a header name may hold no blanks and no colon")
        if lower == "reply-to":
            reply_to = reply_to or value
        if lower not in _OURS and not lower.startswith("content-"):
            headers[lower] = _header(name, value)
    if reply_to:
        headers["reply-to"] = _header("Reply-To", reply_to)
    if content.language:
        headers["content-language"] = _header("Content-Language", content.language)
    return list(headers.values())


def _header(name: str, value: str) -> Header:
    return Header(name, _header_template(name, value), name.lower() in _OF_ADDRESSES)


def _prepared(header: Header) -> HeaderField | Header | None:
    return header.field({}) if header.template.is_static else header


def _shared_data(content: Content, names: frozenset[str]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for source in (content.metadata, content.substitution_data):  # the later one wins
        data |= {name: source[name] for name in names if name in source}
    return data


# -- composing --


def _scope(compiled: CompiledContent, recipient: Recipient, stamp: Stamp) -> Scope:
    """Return every name the templates see; who wins over whom is sparkpost-api 6.1."""
    scope = {**compiled.data, **recipient.metadata, **recipient.substitution_data}
    if compiled.uses_provided:
        own = scope.get("address")
        address = dict(own) if isinstance(own, dict) else {}
        address |= {"name": recipient.name, "email": recipient.rcpt_to}
        scope["address"] = address
        scope["email"] = scope["email_id"] = recipient.rcpt_to
        scope["env_from"] = scope["return_path"] = stamp.return_path
    return scope


def envelope(what: str, address: str) -> str:
    """Return an address as SMTP takes it; raises GenerationFailed when it could break a command."""
    if is_address(address):
        return address
    address = ascii_address(address)
    if not is_address(address):
        raise GenerationFailed(f"the {what} is no address that can be sent to: {address[:100]!r}")
    return address


def _to_field(recipient: Recipient, address: str) -> HeaderField:
    name = clean(recipient.name or "")
    if recipient.header_to:
        shown = clean(recipient.header_to)
        if name and is_address(ascii_address(shown)):
            return mailbox_field("To", NamedAddress(name, ascii_address(shown)))
        if field := address_field("To", shown):
            return field
    return mailbox_field("To", NamedAddress(name, address))


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _token(stamp: Stamp) -> str:
    """Return what makes the message's boundaries its own.

    The return path carries a keyed hash, so nobody who writes a value into a message can guess its
    boundary and add a part to it.
    """
    secret = f"{stamp.message_key}\n{stamp.return_path}\n{stamp.fbl_token}"
    return blake2s(secret.encode("utf-8", "replace"), digest_size=12).hexdigest()


@lru_cache(maxsize=256)
def _date(seconds: int) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC))


def _hash(chunks: Sequence[bytes]) -> bytes:
    digest = sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.digest()
