"""What people of the desk do with mail that waits for them: into a case, into a new one, or aside.

Whose word it is they vouch for: the mail enters as its author's, with who attached it beside it.
What is from one of the desk is a note: unproved, or full of quotes, it must not reach a customer.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from merpati.accounts import audit
from merpati.accounts.models import Account
from merpati.desk import attachments
from merpati.desk.case_actions import find_case
from merpati.desk.case_errors import InvalidCase, MailNotFound, MailSorted
from merpati.desk.checks import checked_line
from merpati.desk.evidence import Sources
from merpati.desk.mail.entering import add_by_mail, note_by_mail, open_by_mail
from merpati.desk.mail.parsing import ParsedMail, parse
from merpati.desk.mail.senders import Sender
from merpati.desk.models import Case, CaseUpdate, MailState, Person, ReceivedMail
from merpati.desk.parties import Party

WAITING = (MailState.UNASSIGNED, MailState.FILED)


def find_mail(mail_id: int) -> ReceivedMail:
    """Return a mail that came in. Raises MailNotFound."""
    found = ReceivedMail.objects.select_related("case", "contact").filter(pk=mail_id).first()
    if found is None:
        raise MailNotFound(mail_id)
    return found


def attach_mail(mail_id: int, number: int, *, by: Party, now: datetime) -> Case:
    """Add a mail to a case, as its author's message; as a note, if that is one of the desk.

    Raises MailNotFound, MailSorted, CaseNotFound, CaseResolved, CaseMerged, InvalidCase.
    """
    with transaction.atomic():
        mail = _taken(mail_id, MailState.ADDED, by)
        case, parsed = find_case(number), _parsed(mail)
        person = Person.objects.filter(email=mail.from_email).first()
        if person is not None:
            entered = note_by_mail(case, person, parsed, name=mail.name, now=now)
        else:
            sender = _author(mail, case.account)
            entered = add_by_mail(case, sender, parsed, name=mail.name, now=now)
        return _sorted(mail, *entered, by, now)


def open_from_mail(
    mail_id: int, account: Account, *, sources: Sources, by: Party, now: datetime
) -> Case:
    """Open a case of an account with a mail, as its author's.

    Raises MailNotFound, MailSorted, InvalidCase, NothingWithin, BeyondCalendar.
    """
    with transaction.atomic():
        mail = _taken(mail_id, MailState.OPENED, by)
        sender, parsed = _author(mail, account), _parsed(mail)
        entered = open_by_mail(account, sender, parsed, name=mail.name, sources=sources, now=now)
        return _sorted(mail, *entered, by, now)


def reject_mail(mail_id: int, reason: str, *, by: Party, now: datetime) -> ReceivedMail:
    """Set a mail aside for good, and say why; it is kept. Raises MailNotFound, MailSorted."""
    reason = checked_line(reason, "reason", InvalidCase)
    with transaction.atomic():
        mail = _taken(mail_id, MailState.REJECTED, by)
        ReceivedMail.objects.filter(pk=mail_id).update(reason=reason)
        audit.record("reject_mail", f"mail {mail.pk}", by=by.via, now=now, account_id=None)
    return find_mail(mail_id)


def _taken(mail_id: int, state: MailState, by: Party) -> ReceivedMail:
    """Take a mail that waits; of two who do so at once the second is refused."""
    mail = find_mail(mail_id)
    waits = ReceivedMail.objects.filter(pk=mail_id, state__in=WAITING)
    if not waits.update(state=state, decided_by=by.email or by.via):
        mail.refresh_from_db()
        raise MailSorted(mail_id, mail.get_state_display(), mail.decided_by)
    return mail


def _sorted(mail: ReceivedMail, case: Case, update: CaseUpdate, by: Party, now: datetime) -> Case:
    ReceivedMail.objects.filter(pk=mail.pk).update(case=case, update=update)
    audit.record(
        "sort_mail",
        f"mail {mail.pk}",
        by=by.via,
        now=now,
        account_id=case.account_id,
        case=case.pk,
    )
    return case


def _author(mail: ReceivedMail, account: Account) -> Sender:
    if not mail.from_email:
        raise InvalidCase(
            "This mail names no single author, so it can be nobody's message: reject it, and write "
            "a note.",
            "mail",
        )
    name = mail.from_name or mail.from_email.partition("@")[0]
    return Sender(name, mail.from_email, (account,))


def _parsed(mail: ReceivedMail) -> ParsedMail:
    return parse(attachments.file_store().read(mail.digest))
