"""Merpati's own mail: acknowledgements, replies of the desk, invitations, calendar entries.

`post` puts a mail into the outbox within the caller's transaction, so that an act and the mail that
tells of it cannot part. The clock process sends it through the one injection (`outbox.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2s

from django.db import transaction

from merpati.contracts.batch import Attachment
from merpati.sending.address import envelope_address
from merpati.sending.errors import InvalidValue
from merpati.sending.models import OutboxFile, OutboxMail

SUBJECT_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class OwnMail:
    """An email to one address, from `desk.support_address`.

    html: None for text alone; reply_to: "" for the address it comes from; message_key: left side of
    its Message-ID where somebody must know it beforehand, else made from the key. What is written
    here is sent as it is: no template language is read.
    """

    to: str
    subject: str
    text: str
    html: str | None = None
    to_name: str = ""
    from_name: str = ""
    reply_to: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: Sequence[Attachment] = ()
    message_key: str = ""


def post(mail: OwnMail, *, key: str, now: datetime) -> bool:
    """Put a mail into the outbox; return False when it is there already, by its key.

    key: names what the mail tells of and to whom, "invitation 17", at most 200 characters: a
    repeat posts nothing. Raises InvalidValue when the address is none.
    """
    if envelope_address(mail.to) is None:
        raise InvalidValue(f"{mail.to[:100]!r} is no email address.", "to")
    with transaction.atomic():
        row, is_new = OutboxMail.objects.get_or_create(
            key=key,
            defaults={
                "message_key": mail.message_key or message_key(key),
                "to_email": mail.to,
                "to_name": _one_line(mail.to_name, 200),
                "from_name": _one_line(mail.from_name, 200),
                "reply_to": mail.reply_to,
                "subject": _one_line(mail.subject, SUBJECT_CHARACTERS),
                "text": mail.text,
                "html": mail.html or "",
                "headers": dict(mail.headers),
                "created_at": now,
            },
        )
        if is_new:
            OutboxFile.objects.bulk_create(
                OutboxFile(mail=row, name=file.name, type=file.type, data=file.data)
                for file in mail.attachments
            )
    return is_new


def message_key(key: str) -> str:
    """Return the left side of the Message-ID of the mail with this key."""
    return f"own.{blake2s(key.encode(), digest_size=12).hexdigest()}"


def _one_line(text: str, most: int) -> str:
    """Names and subjects quote people: a line break in them is a blank, not a header."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:most]
