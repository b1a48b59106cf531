"""Reminders, each once a step and only while the desk is open; none of them changes a case.

A question or a proposal that nobody answered is brought back to the customer, and who is
responsible is told an hour before something falls due. When that is stands in the case
(`case_clocks.remind_at`); what falls due while the desk is closed, since nobody ran the clock
process in time, waits for the next opening. Test case C6.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import override

from merpati.desk.business_hours import spans_on
from merpati.desk.calendars import find_calendar, service_hours
from merpati.desk.case_states import CLOSED, Act, Side
from merpati.desk.mail import words
from merpati.desk.mail.notices import contacts_of, mail_to_contact, mail_to_person
from merpati.desk.mail.place import Place
from merpati.desk.models import Case
from merpati.desk.service_hours import ServiceHours
from merpati.sending.own_mail import post

STEP = 100  # cases
_QUESTIONS = (Act.ASK.value, Act.PROPOSE.value)


def remind(place: Place, now: datetime) -> int:
    """Put the reminders that are due into the outbox; return of how many cases."""
    if not place.support_address:
        return 0
    due = Case.objects.filter(remind_at__lte=now).exclude(status__in=CLOSED)
    related = ("account", "representative", "opened_by")
    reminded = 0
    zones: dict[str, ServiceHours] = {}
    # All that are due, since those of a closed desk must not stand before another's.
    for case in due.select_related(*related).order_by("remind_at").iterator(chunk_size=500):
        zone = case.account.service_time_zone
        if zone not in zones:
            zones[zone] = service_hours(find_calendar(zone))
        if is_open(zones[zone], now):
            reminded += _remind(place, case, zones[zone], now)
        if reminded >= STEP:
            break
    return reminded


def is_open(hours: ServiceHours, moment: datetime) -> bool:
    """Return whether the desk is open at a moment. Raises BeyondCalendar."""
    today = hours.day(moment.astimezone(hours.zone).date())
    return any(span.starts_at <= moment < span.ends_at for span in spans_on(hours, today))


def _remind(place: Place, case: Case, hours: ServiceHours, now: datetime) -> bool:
    with transaction.atomic():
        # The conditional UPDATE decides against an act that moves the clock at this moment.
        mine = Case.objects.filter(pk=case.pk, remind_at=case.remind_at)
        if not mine.update(remind_at=None):
            return False
        if case.turn == Side.DESK:
            _remind_desk(place, case, hours, now)
        else:
            _remind_customer(place, case, hours, now)
    return True


def _remind_customer(place: Place, case: Case, hours: ServiceHours, now: datetime) -> None:
    asked = case.updates.filter(kind__in=_QUESTIONS, side=Side.DESK).order_by("-pk").first()
    if asked is None:
        return
    with override(case.language):
        paragraphs = words.reminder_to_answer(asked)
    for contact in contacts_of(case):
        mail = mail_to_contact(
            place,
            case,
            contact,
            paragraphs,
            now=now,
            about=asked,
            hours=hours,
            is_automatic=True,
            is_first=False,
        )
        post(mail, key=f"{_key(case)} to contact {contact.pk}", now=now)


def _remind_desk(place: Place, case: Case, hours: ServiceHours, now: datetime) -> None:
    person = case.representative
    if person is None:
        return
    with override(person.language):
        mail = mail_to_person(place, case, person, words.reminder_to_update(case, hours))
    post(mail, key=f"{_key(case)} to person {person.pk}", now=now)


def _key(case: Case) -> str:
    assert case.remind_at is not None  # noqa: S101 - the query found it by that
    return f"case {case.pk} reminder of {case.remind_at.isoformat()}"
