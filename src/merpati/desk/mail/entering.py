"""A mail becomes part of a case: as its opening, or as one more message of the customer.

By its name each mail enters once, however often this is tried (`repeats.py`).
"""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import override

from merpati.accounts.models import Account
from merpati.desk.attachments import FILES, MESSAGE_BYTES, NewFile, fits
from merpati.desk.case_actions import perform
from merpati.desk.case_errors import InvalidCase
from merpati.desk.case_opening import NewCase, NewContact, contact_of, open_case
from merpati.desk.case_states import Act
from merpati.desk.checks import TEXT_LENGTH
from merpati.desk.evidence import Sources, checked_link
from merpati.desk.mail import words
from merpati.desk.mail.language import language_of
from merpati.desk.mail.mentions import mentions
from merpati.desk.mail.parsing import ParsedMail
from merpati.desk.mail.quotes import new_part
from merpati.desk.mail.senders import Sender
from merpati.desk.mail.threads import untagged
from merpati.desk.models import Case, CaseKind, CaseUpdate, Contact, Person
from merpati.desk.parties import customer_party, desk_party
from merpati.desk.repeats import Request, once
from merpati.sending.models import SendingIp

SUBJECT_CHARACTERS = 200


def open_by_mail(
    account: Account,
    sender: Sender,
    mail: ParsedMail,
    *,
    name: str,
    sources: Sources,
    now: datetime,
) -> tuple[Case, CaseUpdate]:
    """Open a case of an account with a mail, evidence of what it names taken.

    name: of the mail in the drop. Raises NothingWithin, BeyondCalendar.
    """
    contact = Contact.objects.filter(account=account, email=sender.email).first()
    language = language_of(sender.email, contact, f"{mail.subject}\n{mail.text}")
    files, left_out = _chosen(mail)
    with override(language):
        subject = untagged(mail.subject)[:SUBJECT_CHARACTERS].strip() or words.no_subject()
        text = _entry_text(mail.text, left_out)
    case = open_case(
        account.pk,
        NewCase(
            kind=CaseKind.PROBLEM,
            subject=subject,
            text=text,
            contact=NewContact(sender.name, sender.email),
            language=language,
            links=_links(account, sender, f"{mail.subject}\n{mail.text}"),
            files=files,
        ),
        via=_via(name),
        sources=sources,
        now=now,
        request=_request(account.pk, name),
    )
    return case, case.updates.get(kind=CaseUpdate.OPENED)


def add_by_mail(
    case: Case, sender: Sender, mail: ParsedMail, *, name: str, now: datetime
) -> tuple[Case, CaseUpdate]:
    """Add a mail to a case as the customer's message; what it quotes is left out.

    Raises CaseResolved, CaseMerged.
    """
    files, left_out = _chosen(mail)
    with override(case.language):
        text = _entry_text(new_part(mail.text), left_out)
    contact = contact_of(case.account_id, NewContact(sender.name, sender.email), now)
    by = customer_party(_via(name), contact.name, contact.email)
    detail = {"wrote_from": sender.wrote_from} if sender.wrote_from else {}
    done = once(
        _request(case.account_id, name),
        lambda: perform(case.pk, Act.MESSAGE, by, now, text=text, files=files, detail=detail),
    )
    return done, done.updates.get(via=_via(name))


def say_by_mail(
    case: Case, person: Person, mail: ParsedMail, text: str, *, name: str, now: datetime
) -> tuple[Case, CaseUpdate]:
    """Add a mail of one of the desk to a case, as the desk's message to the customer.

    text: what it says anew. Raises CaseResolved, CaseMerged.
    """
    files, left_out = _chosen(mail)
    with override(case.language):
        said = _entry_text(text, left_out)
    by = desk_party(person, _via(name))
    done = once(
        _request(case.account_id, name),
        lambda: perform(case.pk, Act.MESSAGE, by, now, text=said, files=files),
    )
    return done, done.updates.get(via=_via(name))


def note_by_mail(
    case: Case, person: Person, mail: ParsedMail, *, name: str, now: datetime
) -> tuple[Case, CaseUpdate]:
    """Add a mail of one of the desk to a case, as a note that only the desk reads."""
    files, left_out = _chosen(mail)
    text = _entry_text(mail.text, left_out)
    by = desk_party(person, _via(name))
    done = perform(case.pk, Act.NOTE, by, now, text=text, files=files, is_internal=True)
    return done, done.updates.get(via=_via(name))


def _via(name: str) -> str:
    return f"email:{name}"


def _request(account_id: int, name: str) -> Request:
    return Request(account_id, f"email {name}", name)


def _chosen(mail: ParsedMail) -> tuple[list[NewFile], list[str]]:
    """Return the files that are kept with the case, and the names of the others."""
    chosen: list[NewFile] = []
    left_out: list[str] = []
    room = MESSAGE_BYTES
    for file in mail.files:
        if fits(file) and len(chosen) < FILES and len(file.data) <= room:
            chosen.append(file)
            room -= len(file.data)
        else:
            left_out.append(file.name)
    if len(left_out) + mail.more_files > FILES:
        more = len(left_out) - FILES + mail.more_files
        left_out = [*left_out[:FILES], f"+{more}"]
    return chosen, left_out


def _entry_text(said: str, left_out: list[str]) -> str:
    """Return a text as an entry holds it, with what is not in it named at its end."""
    notes = [words.left_out(", ".join(left_out))] if left_out else []
    room = TEXT_LENGTH - sum(map(len, notes)) - 200
    if len(said) > room:
        said, notes = said[:room], [words.cut(), *notes]
    return "\n\n".join([said.strip() or words.no_text(), *notes])


def _links(account: Account, sender: Sender, text: str) -> list[tuple[str, str]]:
    addresses = SendingIp.objects.filter(account=account).values_list("address", flat=True)
    named = mentions(text, frozenset(addresses), sender.email.rpartition("@")[2])
    return [link for link in named if _is_link(*link)]


def _is_link(kind: str, value: str) -> bool:
    try:
        checked_link(kind, value, "links")
    except InvalidCase:
        return False
    return True
