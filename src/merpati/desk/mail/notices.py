"""Mail that tells of what happened in a case: to the customer's contacts, and to the staff.

Each entry of a history leaves a `Notice` in its own transaction; here the mails are written, in the
one transaction that forgets the notice. So an act and its mails cannot part, and no act waits for
texts. Every mail to a contact carries an address and a page link of their own (`contact_links.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils.translation import override

from merpati.contracts.batch import Attachment
from merpati.desk import attachments
from merpati.desk.calendars import find_calendar, service_hours
from merpati.desk.case_states import Act, Side
from merpati.desk.contact_links import (
    ContactLink,
    StaffLink,
    page_token,
    reply_address,
    staff_address,
)
from merpati.desk.hours_words import moment_in_words
from merpati.desk.mail import words
from merpati.desk.mail.automatic import LOOP_HEADER, automatic_headers
from merpati.desk.mail.letter import Letter, Quote, as_html, as_text
from merpati.desk.mail.place import Place
from merpati.desk.mail.threads import message_key, tagged
from merpati.desk.models import Case, CaseUpdate, Contact, MailState, Notice, Person
from merpati.desk.service_hours import ServiceHours
from merpati.desk.tam import current_assignment
from merpati.sending.own_mail import OwnMail, post

log = logging.getLogger(__name__)

STEP = 100  # entries
REFERENCES = 6
TRY_AGAIN = timedelta(minutes=5)
# What a program says by itself, and no person; other mail carries a person's words.
_AUTOMATIC = frozenset({CaseUpdate.OPENED, Act.AGREE.value, Act.MERGE.value})
_ANSWERED = (Act.PROPOSE.value,)  # answered on the page


class Teller:
    """Puts the mails about what happened into the outbox; for one thread."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._again_at: dict[int, datetime] = {}  # entries that could not be told

    def step(self, now: datetime) -> int:
        """Tell of what nobody was told of, oldest first; return of how many entries."""
        if not self._place.support_address:  # nobody is told, also not later of what is old by then
            if Notice.objects.exists():
                Notice.objects.all().delete()
            return 0
        later = [update_id for update_id, at in self._again_at.items() if at > now]
        waiting = Notice.objects.exclude(pk__in=later).order_by("pk").values_list("pk", flat=True)
        told = 0
        for update_id in waiting[:STEP]:
            try:
                _tell(self._place, update_id, now)
                self._again_at.pop(update_id, None)
                told += 1
            except Exception:  # one that cannot be told must not silence all behind it
                log.exception("notice_failed entry=%d", update_id)
                self._again_at[update_id] = now + TRY_AGAIN
        return told


def _tell(place: Place, update_id: int, now: datetime) -> None:
    with transaction.atomic():
        related = ("case__account", "case__representative", "case__opened_by")
        update = CaseUpdate.objects.select_related(*related).get(pk=update_id)
        hours = service_hours(find_calendar(update.case.account.service_time_zone))
        mails = [*_to_customer(place, update, hours, now), *_to_staff(place, update, hours)]
        for key, mail in mails:
            post(mail, key=key, now=now)
        Notice.objects.filter(pk=update_id).delete()


def _to_customer(
    place: Place, update: CaseUpdate, hours: ServiceHours, now: datetime
) -> Iterator[tuple[str, OwnMail]]:
    case = update.case
    with override(case.language):
        paragraphs = words.for_customer(case, update, hours)
    if paragraphs is None:
        return
    files = [
        Attachment(file.name, file.type, attachments.content(file))
        for file in update.attachments.all()
    ]
    for contact in contacts_of(case):
        mail = mail_to_contact(
            place,
            case,
            contact,
            paragraphs,
            now=now,
            about=update,
            hours=hours,
            files=files,
            is_automatic=update.kind in _AUTOMATIC,
        )
        yield f"case {case.pk} entry {update.pk} to contact {contact.pk}", mail


def mail_to_contact(
    place: Place,
    case: Case,
    contact: Contact,
    paragraphs: list[str],
    *,
    now: datetime,
    about: CaseUpdate,
    hours: ServiceHours,
    files: list[Attachment] | None = None,
    is_automatic: bool,
    is_first: bool = True,
) -> OwnMail:
    """Return a mail to one contact of a case, in the case's language.

    about: the entry that it tells of, or comes back to where is_first is False (a reminder).
    """
    link = ContactLink(case.pk, contact.pk)
    url = f"{place.console_url}/c/{page_token(place.link_key, link, now)}"
    by_desk = about.side == Side.DESK
    with override(case.language):
        decides = by_desk and about.kind in _ANSWERED
        letter = Letter(
            words.greeting(contact.name),
            paragraphs,
            about.author_name if by_desk and not is_automatic else words.team(),
            (words.page_to_decide() if decides else words.page(), url),
            _quote(about, hours) if is_first else None,
        )
    return OwnMail(
        to=contact.email,
        to_name=contact.name,
        from_name=about.author_name if by_desk and not is_automatic else "",
        subject=tagged(case.pk, case.subject),
        text=as_text(letter),
        html=as_html(letter, case.language),
        reply_to=reply_address(place.link_key, link, place.support_address),
        headers=_headers(place, about, contact.pk, is_automatic, is_first),
        attachments=files or [],
        message_key=message_key(case.pk, about.pk, contact.pk, about.at) if is_first else "",
    )


def _to_staff(
    place: Place, update: CaseUpdate, hours: ServiceHours
) -> Iterator[tuple[str, OwnMail]]:
    for person in _staff_of(update):
        with override(person.language):
            paragraphs = words.for_staff(update.case, update, hours)
            if paragraphs is not None:
                count = update.attachments.count()
                paragraphs += [words.files(count)] if count else []
                key = f"case {update.case_id} entry {update.pk} to person {person.pk}"
                yield key, mail_to_person(place, update.case, person, paragraphs)


def mail_to_person(place: Place, case: Case, person: Person, paragraphs: list[str]) -> OwnMail:
    """Return a mail to one of the staff, in the language that is active."""
    url = f"{place.console_url}/desk/cases/{case.pk}"
    letter = Letter(
        words.greeting(person.name), paragraphs, words.team(), (words.staff_page(), url)
    )
    return OwnMail(
        to=person.email,
        to_name=person.name,
        subject=tagged(case.pk, case.subject),
        text=as_text(letter),
        html=as_html(letter, person.language),
        reply_to=staff_address(
            place.link_key, StaffLink(case.pk, person.pk), place.support_address
        ),
        headers=_loop_headers(place, is_automatic=True),
    )


def contacts_of(case: Case) -> list[Contact]:
    """Return whom a case's mails go to: who opened it, and who watches it."""
    return list({c.pk: c for c in (case.opened_by, *case.watchers.order_by("pk"))}.values())


def _staff_of(update: CaseUpdate) -> list[Person]:
    """Return who of the staff is told of an entry, but for its author."""
    case = update.case
    people: list[Person | None] = []
    if update.side == Side.CUSTOMER or update.kind == Act.ASSIGN:
        people.append(case.representative)
    if update.kind == Act.ESCALATE or (people == [None]):
        assignment = current_assignment(case.account_id)
        people.append(assignment.tam if assignment else None)
    return list({p.pk: p for p in people if p and p.email != update.author_email}.values())


def _quote(update: CaseUpdate, hours: ServiceHours) -> Quote | None:
    """Return what the customer said last before an entry of the desk; of an opening, itself."""
    said = update.case.updates.filter(side=Side.CUSTOMER, is_internal=False).exclude(text="")
    last = said.filter(pk__lte=update.pk).order_by("-pk").first()
    if last is None:
        return None
    when = moment_in_words(last.at, hours.zone)
    return Quote(words.said_by(last.author_name, when), last.text)


def _headers(
    place: Place, about: CaseUpdate, recipient: int, is_automatic: bool, is_first: bool
) -> dict[str, str]:
    """Return the headers by which mail programs show a case as one thread."""
    case_id = about.case_id
    told = CaseUpdate.objects.filter(
        Q(kind=CaseUpdate.OPENED) | Q(side=Side.DESK, kind__in=words.TOLD),
        case_id=case_id,
        is_internal=False,
        pk__lte=about.pk,
    ).exclude(pk=about.pk if is_first else 0)
    ours = {u.pk: u for u in (*told.order_by("pk")[:1], *told.order_by("-pk")[:2])}.values()
    sent = [
        (u.at, 1, f"{message_key(case_id, u.pk, recipient, u.at)}@{place.domain}") for u in ours
    ]
    mails = about.case.mails.filter(
        state__in=(MailState.OPENED, MailState.ADDED),
        received_at__lte=about.at,
        update__side=Side.CUSTOMER,
    ).exclude(message_id="")
    came = [(m.received_at, 0, m.message_id) for m in mails.order_by("-pk")[:3]]
    # What came in at the same moment came first: ours is the answer to it.
    thread = [id_ for _, _, id_ in sorted([*sent, *came])][-REFERENCES:]
    headers = _loop_headers(place, is_automatic)
    if thread:
        headers |= {
            "In-Reply-To": f"<{thread[-1]}>",
            "References": " ".join(f"<{id_}>" for id_ in thread),
        }
    return headers


def _loop_headers(place: Place, is_automatic: bool) -> dict[str, str]:
    if is_automatic:
        return automatic_headers(place.support_address)
    return {LOOP_HEADER: place.support_address}
