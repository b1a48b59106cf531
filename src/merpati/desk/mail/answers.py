"""Answers to mail that could not become part of the case it names: one a case, sender and day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.utils.translation import override

from merpati.desk.mail import words
from merpati.desk.mail.automatic import automatic_headers
from merpati.desk.mail.letter import Letter, as_html, as_text
from merpati.desk.mail.parsing import ParsedMail
from merpati.desk.mail.place import Place
from merpati.desk.mail.senders import Sender
from merpati.desk.mail.threads import tagged
from merpati.sending.own_mail import OwnMail, post


def answer(
    place: Place,
    sender: Sender,
    mail: ParsedMail,
    number: int,
    paragraphs: Callable[[], list[str]],
    *,
    why: str,
    language: str,
    now: datetime,
) -> bool:
    """Put an answer about a case into the outbox; False when this sender had it today already."""
    with override(language):
        letter = Letter(words.greeting(sender.name), paragraphs(), words.team())
        subject = mail.subject or words.no_subject()
    thread = {"In-Reply-To": f"<{mail.message_id}>", "References": f"<{mail.message_id}>"}
    return post(
        OwnMail(
            to=sender.email,
            to_name=sender.name,
            subject=subject if f"[#{number}]" in subject else tagged(number, subject),
            text=as_text(letter),
            html=as_html(letter, language),
            headers=automatic_headers(place.support_address) | (thread if mail.message_id else {}),
        ),
        key=f"answer {why} case {number} to {sender.email} on {now:%Y-%m-%d}"[:200],
        now=now,
    )
