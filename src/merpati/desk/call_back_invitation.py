"""The email by which both sides of a call-back learn of it: in words, and as a calendar entry.

A moved one carries a higher version, so that calendars replace the earlier; a cancelled one takes
it out. Source: RFC 5546 3.2.2 (REQUEST), 3.2.5 (CANCEL).
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext, override

from merpati.adapters.ics import Entry, Meeting, meeting_bytes
from merpati.contracts.batch import Attachment
from merpati.desk.calendars import find_calendar, service_hours
from merpati.desk.call_back_slots import SLOT
from merpati.desk.hours_words import moment_in_words
from merpati.desk.models import CallBack, Language
from merpati.sending.own_mail import OwnMail, post

_FILE = "call.ics"


def send_invitations(call_back: CallBack, now: datetime) -> None:
    """Tell the contact and the person of a call-back as it stands, within its transaction."""
    for mail in invitations(call_back, now):
        key = f"call-back {call_back.pk} version {call_back.version} to {mail.to}"
        post(mail, key=key[:200], now=now)


def invitations(call_back: CallBack, now: datetime) -> list[OwnMail]:
    """Return the mails about a call-back: to the contact and to the person, each in their language.

    The contact's is that of the case; without one, English.
    """
    zone = service_hours(find_calendar(call_back.account.service_time_zone)).zone
    contact, person, case = call_back.contact, call_back.person, call_back.case
    spoken = case.language if case else Language.ENGLISH
    told = ((contact.name, contact.email, spoken), (person.name, person.email, person.language))
    return [_mail(call_back, zone, name, email, language, now) for name, email, language in told]


def _mail(  # noqa: PLR0917
    call_back: CallBack, zone: ZoneInfo, name: str, email: str, language: str, now: datetime
) -> OwnMail:
    with override(language):
        subject, text = _words(call_back, moment_in_words(call_back.starts_at, zone))
    method = _method(call_back)
    calendar = Attachment(
        _FILE, f"text/calendar; charset=utf-8; method={method}", _calendar(call_back, subject, now)
    )
    return OwnMail(email, subject, text, to_name=name, attachments=[calendar])


def _words(call_back: CallBack, when: str) -> tuple[str, str]:
    known = {
        "name": call_back.person.name,
        "contact": call_back.contact.name,
        "phone": call_back.phone,
        "topic": call_back.topic,
        "when": when,
    }
    if call_back.cancelled_at is not None:
        subject = gettext("Cancelled: call with %(name)s, %(when)s") % known
        said = gettext("The call between %(name)s and %(contact)s at %(when)s will not take place.")
    else:
        subject = gettext("Call with %(name)s, %(when)s") % known
        said = gettext("%(name)s rings %(contact)s at %(phone)s, %(when)s.")
    about = gettext("It is about: %(topic)s") % known
    return subject, f"{said % known}\n\n{about}\n"


def _calendar(call_back: CallBack, summary: str, now: datetime) -> bytes:
    entry = Entry(
        f"call-back-{call_back.pk}@merpati",
        summary,
        call_back.starts_at,
        call_back.starts_at + SLOT,
        call_back.topic,
    )
    person, contact = call_back.person, call_back.contact
    meeting = Meeting(
        _method(call_back), (person.name, person.email), (contact.name, contact.email)
    )
    return meeting_bytes(entry, meeting, changed_at=now, version=call_back.version)


def _method(call_back: CallBack) -> str:
    return "REQUEST" if call_back.cancelled_at is None else "CANCEL"
