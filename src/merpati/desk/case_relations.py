"""What makes one case out of two, two out of one, and two that know of each other.

A merged case goes on in the other: its history stays readable, its clock ends, and its contacts
read along there. Only cases of one account are merged, since both sides read both histories.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from merpati.desk.case_actions import find_case, perform
from merpati.desk.case_errors import InvalidCase
from merpati.desk.case_opening import NewCase, NewContact, split_off
from merpati.desk.case_states import Act, Side
from merpati.desk.models import Case, CaseUpdate, RelatedCase
from merpati.desk.parties import Party


def merge(number: int, into: int, *, by: Party, now: datetime) -> Case:
    """Let a case go on in another one of its account; return that other one.

    Raises CaseNotFound, InvalidCase, CaseResolved, CaseMerged, StaffAlone.
    """
    with transaction.atomic():
        merged, other = find_case(number), find_case(into)
        if number == into:
            raise InvalidCase("A case cannot be merged with itself: name another one.", "into")
        if merged.account_id != other.account_id:
            raise InvalidCase(
                f"Case {into} is another account's, whose people would read this one: link the two "
                "instead.",
                "into",
            )
        where = {"case": into, "subject": other.subject}
        perform(*(number, Act.MERGE, by, now), detail=where, merged_into_id=into, merged_at=now)
        Case.objects.filter(merged_into=number).update(merged_into=into)
        contacts = {merged.opened_by, *merged.watchers.all()} - {other.opened_by}
        other.watchers.add(*contacts)
        what = {"case": number, "subject": merged.subject}
        names = [text for c in contacts for text in (c.name, c.email)]
        return perform(into, Act.TAKE_IN, by, now, detail=what, also=[merged.subject, *names])


def split(number: int, entry_id: int, subject: str, *, by: Party, now: datetime) -> Case:
    """Start a new case with an entry that a customer wrote in another one; return the new case.

    Its first clock starts now: the earlier case's clock ran for it until now. Raises CaseNotFound,
    InvalidCase, StaffAlone.
    """
    with transaction.atomic():
        case = find_case(number)
        entry = case.updates.filter(pk=entry_id, side=Side.CUSTOMER).exclude(text="").first()
        if entry is None:
            raise InvalidCase(
                f"Case {number} has no entry {entry_id} that the customer wrote.", "entry"
            )
        new = split_off(case, _apart(case, entry, subject), via=by.via, now=now)
        _relate(case, new, by, now)
        perform(
            *(number, Act.SPLIT, by, now),
            detail={"case": new.pk, "subject": new.subject, "entry": entry_id},
        )
    return new


def link(number: int, other: int, *, by: Party, now: datetime) -> Case:
    """Note in both of two cases that they are related; return the first.

    Between accounts that is internal: neither customer learns of the other's case. A link that is
    there already stays as it is. Raises CaseNotFound, InvalidCase, StaffAlone.
    """
    with transaction.atomic():
        here, there = find_case(number), find_case(other)
        if number == other:
            raise InvalidCase("A case is not related to itself: name another one.", "other")
        if not _relate(here, there, by, now):
            return here
        is_internal = here.account_id != there.account_id
        for case, related in ((here, there), (there, here)):
            detail = {"case": related.pk, "subject": related.subject}
            perform(case.pk, Act.LINK, by, now, detail=detail, is_internal=is_internal)
    return find_case(number)


def _relate(one: Case, other: Case, by: Party, now: datetime) -> bool:
    """Relate two cases; return whether they were not related before."""
    first, second = sorted((one.pk, other.pk))
    _, is_new = RelatedCase.objects.get_or_create(
        first_id=first, second_id=second, defaults={"created_by": by.via, "created_at": now}
    )
    return is_new


def _apart(case: Case, entry: CaseUpdate, subject: str) -> NewCase:
    """Return what a new case says: the entry's words, by who wrote them if they are a contact."""
    known = {contact.email: contact for contact in (*case.watchers.all(), case.opened_by)}
    author = known.get(entry.author_email, case.opened_by)
    return NewCase(
        kind=case.kind,
        subject=subject or case.subject,
        text=entry.text,
        contact=NewContact(author.name, author.email),
        severity=case.severity,
        language=case.language,
        watchers=[NewContact(c.name, c.email) for c in known.values() if c != author],
    )
