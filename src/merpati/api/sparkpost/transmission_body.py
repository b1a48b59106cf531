"""SparkPost's transmission as it stands on the wire, and what it means.

The translation lives here alone: SparkPost's names and lenient forms in, a `TransmissionRequest`
out. `null` is the same as not given; unknown fields are ignored. A recipient that cannot be read
is rejected by itself, so each is decoded by itself.

Source: sparkpost-api 3.1 to 3.3 and 4; sparkpost-clients 2 (what clients really send).
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from merpati.adapters import codec
from merpati.api.call import decode
from merpati.api.errors import ApiError, ErrorItem, refusal
from merpati.api.wire import wrong_field
from merpati.contracts.batch import Attachment, Mailbox, Recipient, Variant
from merpati.sending.address import split_mailbox
from merpati.sending.injection_errors import RejectedRecipient
from merpati.sending.local_hours import LocalTime
from merpati.sending.transmission import TransmissionRequest
from merpati.sending.transmission_rules import EXPRESSION, TAGS_PER_RECIPIENT

DESCRIPTION_BYTES = 1024

_Json = dict[str, Any]


class _Address(msgspec.Struct, gc=False):
    email: str | None = None
    name: str | None = None
    header_to: str | None = None


class _Recipient(msgspec.Struct):
    address: str | _Address | None = None
    return_path: str | None = None
    tags: list[str] | None = None
    metadata: _Json | None = None
    substitution_data: _Json | None = None
    language: str | None = None  # ours
    time_zone: str | None = None  # ours


class _StoredList(msgspec.Struct):
    list_id: str | None = None


class _NodeBuffer(msgspec.Struct):
    """A Node.js Buffer as JSON.stringify writes it; nodemailer passes them on."""

    data: list[Annotated[int, msgspec.Meta(ge=0, le=255)]] | None = None


class _Part(msgspec.Struct):
    name: str | None = None
    type: str | None = None
    data: str | _NodeBuffer | None = None


class _Content(msgspec.Struct, rename={"sender": "from"}):
    sender: str | _Address | None = None
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    amp_html: str | None = None
    reply_to: str | None = None
    headers: _Json | None = None
    attachments: list[_Part] | None = None
    inline_images: list[_Part] | None = None
    email_rfc822: str | None = None
    template_id: str | None = None
    ab_test_id: str | None = None
    language: str | None = None  # ours, of the texts above
    variants: dict[str, Variant] | None = None  # ours, by language


class _QuietHours(msgspec.Struct, rename={"from_": "from"}):
    from_: str | None = None
    to: str | None = None


class _LocalTime(msgspec.Struct):
    at: str | None = None
    quiet_hours: _QuietHours | None = None
    days: list[str] | None = None
    time_zone: str | None = None
    holidays: str | None = None


class _Options(msgspec.Struct):
    start_time: str | None = None
    open_tracking: bool | None = None  # tracking comes in a later version; the type is checked
    initial_open: bool | None = None
    click_tracking: bool | None = None
    transactional: bool | None = None
    sandbox: bool | None = None
    skip_suppression: bool | None = None
    ip_pool: str | None = None
    inline_css: bool | None = None
    perform_substitutions: bool | None = None
    dkim_key: str | None = None
    local_time: _LocalTime | None = None  # ours


class _Override(msgspec.Struct, rename={"sender": "from"}):
    sender: str | _Address | None = None
    reply_to: str | None = None
    list_id: str | None = None


class _Transmission(msgspec.Struct):
    content: _Content | None = None
    recipients: list[msgspec.Raw] | _StoredList | None = None
    options: _Options | None = None
    campaign_id: str | None = None
    description: str | None = None
    metadata: _Json | None = None
    substitution_data: _Json | None = None
    return_path: str | None = None
    tracking_domain: str | None = None
    override: _Override | None = None


_transmission_reader = codec.json_reader(_Transmission)
_recipient_reader = codec.json_reader(_Recipient)

_NO_EMAIL = RejectedRecipient("address.email is required for each recipient", is_missing=True)


def read_transmission(
    body: bytes, idempotency_key: str | None = None, fingerprint: bytes = b""
) -> TransmissionRequest:
    """Return what the body asks for. Raises ApiError with SparkPost's codes and texts."""
    sent = decode(body, _transmission_reader)
    content = _inline_content(sent)
    recipients = _recipients(sent.recipients)
    options = sent.options or _Options()
    _check_not_offered(sent, options)
    sender, reply_to, headers = _overridden(content, sent.override)
    return TransmissionRequest(
        sender=sender,
        subject=content.subject or "",
        recipients=recipients,
        text=content.text,
        html=content.html,
        amp_html=content.amp_html,
        reply_to=reply_to,
        headers=headers,
        attachments=_parts(content.attachments, "attachments"),
        inline_images=_inline_images(content.inline_images),
        substitution_data=sent.substitution_data or {},
        metadata=sent.metadata or {},
        campaign_id=sent.campaign_id,
        ip_pool=options.ip_pool,
        start_time=_moment(options.start_time),
        description=sent.description or "",
        transactional=bool(options.transactional),
        skip_suppression=bool(options.skip_suppression),
        perform_substitutions=options.perform_substitutions is not False,
        return_path=sent.return_path.strip() if sent.return_path else None,
        idempotency_key=idempotency_key,
        fingerprint=fingerprint,
        language=content.language or "",
        variants=content.variants or {},
        local_time=_local_time(options.local_time),
    )


def rejection(rejected: RejectedRecipient) -> dict[str, str]:
    """Return one entry of `rcpt_to_errors`."""
    if rejected.is_missing:
        return {
            "message": "required field is missing",
            "description": rejected.reason,
            "code": "1400",
        }
    return {"message": "invalid data format/type", "description": rejected.reason, "code": "1300"}


def _inline_content(sent: _Transmission) -> _Content:
    """Return the content, whole and inline. Raises ApiError naming all that is missing."""
    content = sent.content or _Content()
    if content.email_rfc822 is not None:
        _refuse_raw(content)
    if content.template_id is not None:
        _refuse_stored(content)
    if content.ab_test_id is not None:
        raise _subresource(f"ab_test_id '{content.ab_test_id[:100]}' does not exist")
    missing = []
    if content == _Content():
        missing.append(("content object or template_id required", "/content"))
    else:
        if not _given(content.sender):
            missing.append(("content.from is a required field", "/content/from"))
        if content.subject is None:
            missing.append(("content.subject is a required field", "/content/subject"))
        if content.text is None and content.html is None:
            missing.append(("content.text or content.html is required", "/content"))
    if sent.recipients is None or sent.recipients == _StoredList():
        missing.append(("recipients is a required field", "/recipients"))
    if missing:
        raise ApiError(
            422,
            tuple(
                ErrorItem("required field is missing", description, "1400", pointer)
                for description, pointer in missing
            ),
        )
    return content


def _given(sender: str | _Address | None) -> bool:
    email = sender.email if isinstance(sender, _Address) else sender
    return bool(email and email.strip())


def _refuse_raw(content: _Content) -> None:
    if content != _Content(email_rfc822=content.email_rfc822):
        raise refusal(
            422,
            "invalid combination of fields",
            "content.email_rfc822 cannot be combined with other content fields",
            "1301",
        )
    raise refusal(
        422,
        "invalid data format/type",
        "content.email_rfc822 is not supported by this version of Merpati: send content.from, "
        "subject, text and html instead",
        "1300",
    )


def _refuse_stored(content: _Content) -> None:
    if not (content.subject is None and content.text is None and content.html is None):
        raise refusal(
            422,
            "invalid combination of fields",
            "Both content object and template_id are specified",
            "1301",
        )
    raise _subresource(f"template '{(content.template_id or '')[:100]}' does not exist")


def _subresource(description: str) -> ApiError:
    return refusal(422, "Subresource not found", description, "1603")


def _check_not_offered(sent: _Transmission, options: _Options) -> None:
    """Refuse what needs something this account cannot have yet, rather than send without it."""
    if isinstance(sent.recipients, _StoredList):
        raise _subresource(f"list '{(sent.recipients.list_id or '')[:100]}' does not exist")
    if sent.tracking_domain:
        raise refusal(
            400,
            "invalid params",
            f"Tracking domain '{sent.tracking_domain[:253]}' is not a registered tracking domain",
            "1200",
        )
    if options.sandbox:
        raise refusal(
            420,
            "Exceed Sending Limit (sandbox)",
            "There is no sandbox domain: verify a sending domain and send from that.",
            "2103",
        )
    if options.dkim_key not in {None, "default"}:
        raise refusal(400, f"Invalid DKIM key ID '{(options.dkim_key or '')[:64]}'", "", "1100")
    if sent.description and len(sent.description.encode()) > DESCRIPTION_BYTES:
        raise _invalid("description", f"description must be at most {DESCRIPTION_BYTES} bytes")


def _overridden(
    content: _Content, override: _Override | None
) -> tuple[Mailbox, str | None, dict[str, str]]:
    """Return sender, Reply-To and headers, with what `override` replaces."""
    sender = _mailbox(content.sender)
    reply_to = content.reply_to.strip() if content.reply_to else None
    headers = _headers(content.headers)
    if override is None:
        return sender, reply_to, headers
    if _given(override.sender):
        chosen = _mailbox(override.sender)
        sender = Mailbox(chosen.email, chosen.name or sender.name)
        _check_literal(f"{chosen.name or ''}{chosen.email}", "override.from")
    if override.reply_to:
        reply_to = override.reply_to.strip()
        _check_literal(reply_to, "override.reply_to")
    if override.list_id:
        _check_literal(override.list_id, "override.list_id")
        headers = {name: text for name, text in headers.items() if name.lower() != "list-id"}
        headers["List-Id"] = override.list_id.strip()
    return sender, reply_to, headers


def _check_literal(text: str, field: str) -> None:
    if EXPRESSION in text:
        raise _invalid(field, f"{field} must not contain template expressions")


def _mailbox(address: str | _Address | None) -> Mailbox:
    if isinstance(address, _Address):
        name = address.name.strip() if address.name else ""
        return Mailbox((address.email or "").strip(), name or None)
    name_or_none, email = split_mailbox(address or "")
    return Mailbox(email, name_or_none)


def _headers(sent: _Json | None) -> dict[str, str]:
    headers = {}
    for name, value in (sent or {}).items():
        if value is None:
            continue
        if not isinstance(value, str):
            field = f"content.headers.{name[:100]}"
            raise refusal(
                422, "invalid header", f"{field} must be string", "3002", pointer="/content/headers"
            )
        headers[name] = value.strip(" \t")
    return headers


def _recipients(
    sent: list[msgspec.Raw] | _StoredList | None,
) -> Sequence[Recipient | RejectedRecipient]:
    return [_recipient(raw) for raw in sent] if isinstance(sent, list) else []


def _recipient(raw: msgspec.Raw) -> Recipient | RejectedRecipient:
    try:
        sent = _recipient_reader.decode(raw)
    except msgspec.ValidationError as error:
        field, description = wrong_field(error)
        return RejectedRecipient(description if field else "a recipient must be object")
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return RejectedRecipient("a recipient must be UTF-8 JSON, not nested too deeply")
    address = sent.address
    name = header_to = None
    if isinstance(address, _Address):
        email = (address.email or "").strip()
        name = address.name.strip() or None if address.name else None
        header_to = address.header_to.strip() or None if address.header_to else None
    else:
        name, email = split_mailbox(address or "")
    if not email:
        return _NO_EMAIL
    return Recipient(
        rcpt_to=email,
        name=name,
        header_to=header_to,
        substitution_data=sent.substitution_data or {},
        metadata=sent.metadata or {},
        tags=sent.tags[:TAGS_PER_RECIPIENT] if sent.tags else [],
        return_path=sent.return_path.strip() or None if sent.return_path else None,
        language=sent.language.strip() if sent.language else "",
        time_zone=sent.time_zone.strip() if sent.time_zone else "",
    )


def _local_time(sent: _LocalTime | None) -> LocalTime | None:
    if sent is None:
        return None
    quiet = sent.quiet_hours
    return LocalTime(
        sent.at,
        None if quiet is None else (quiet.from_, quiet.to),
        sent.days,
        sent.time_zone,
        sent.holidays,
    )


def _inline_images(sent: list[_Part] | None) -> list[Attachment]:
    images = _parts(sent, "inline_images")
    names = [image.name for image in images]
    if "" in names:
        raise _missing("content.inline_images[].name", "/content/inline_images")
    if len(set(names)) < len(names):
        raise _invalid("content.inline_images", "content.inline_images: each needs its own name")
    return images


def _parts(sent: list[_Part] | None, kind: str) -> list[Attachment]:
    return [_part(part, f"content.{kind}") for part in sent or ()]


def _part(part: _Part, field: str) -> Attachment:
    pointer = "/" + field.replace(".", "/")
    if part.name is None:
        raise _missing(f"{field}[].name", pointer)
    if not part.type:
        raise _missing(f"{field}[].type", pointer)
    if part.data is None or (isinstance(part.data, _NodeBuffer) and part.data.data is None):
        raise _missing(f"{field}[].data", pointer)
    return Attachment(part.name, part.type, _decoded(part.data, field))


def _decoded(data: str | _NodeBuffer, field: str) -> bytes:
    if isinstance(data, _NodeBuffer):
        return bytes(data.data or ())
    text = "".join(data.split())
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True) if text else b""
    except ValueError:
        raise _invalid(field, f"{field}[].data must be base64") from None


def _moment(text: str | None) -> datetime | None:
    if text is None or text.strip() == "now":  # as SparkPost's older clients say it
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _invalid(
            "options.start_time",
            "options.start_time must be YYYY-MM-DDTHH:MM:SS+HH:MM",
        ) from None


def _missing(field: str, pointer: str) -> ApiError:
    return refusal(
        422, "required field is missing", f"{field} is a required field", "1400", pointer=pointer
    )


def _invalid(field: str, description: str) -> ApiError:
    return refusal(
        422,
        "invalid data format/type",
        description,
        "1300",
        pointer="/" + field.replace(".", "/"),
    )
