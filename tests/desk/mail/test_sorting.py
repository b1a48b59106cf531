"""Mail that waits for a person: into a case, into a new one, or aside; by one person only."""

from __future__ import annotations

import pytest

from merpati.accounts.models import AuditEntry
from merpati.desk.case_errors import CaseResolved, InvalidCase, MailNotFound, MailSorted
from merpati.desk.mail import sorting
from merpati.desk.mail.sorting import attach_mail, find_mail, open_from_mail, reject_mail
from merpati.desk.models import Contact
from tests.desk.cases import SARI
from tests.desk.mail.conftest import MailDesk, written


def forged(mail_desk: MailDesk, **fields: str) -> int:
    return mail_desk.comes(written("Mail", "Halo.", **fields), peer="127.0.0.9").pk


def test_a_person_attaches_mail_as_its_authors(mail_desk: MailDesk) -> None:
    case = mail_desk.known()
    mail_id = forged(mail_desk, From="Wati <wati@rumah.example>")
    attach_mail(mail_id, case.pk, by=mail_desk.desk.budi, now=mail_desk.moment)
    row = find_mail(mail_id)
    assert (row.state, row.case, row.decided_by) == ("added", case, "budi@desk.example")
    assert row.update is not None
    assert (row.update.text, row.update.author_email) == ("Halo.", "wati@rumah.example")
    assert Contact.objects.get(email="wati@rumah.example").account == case.account
    assert AuditEntry.objects.filter(action="sort_mail").count() == 1


def test_what_one_of_the_desk_wrote_is_attached_as_a_note(mail_desk: MailDesk) -> None:
    """Nothing proves it is theirs, and the customer would read what it quotes."""
    case = mail_desk.known()
    mail_id = forged(mail_desk, From="Budi <budi@desk.example>")
    attach_mail(mail_id, case.pk, by=mail_desk.desk.budi, now=mail_desk.moment)
    entry = case.updates.get(mail=mail_id)
    assert (entry.side, entry.kind, entry.is_internal) == ("desk", "note", True)
    assert (entry.text, entry.author_email) == ("Halo.", "budi@desk.example")
    assert not Contact.objects.filter(email="budi@desk.example").exists()
    assert mail_desk.told() == []


def test_a_person_opens_a_case_with_mail(mail_desk: MailDesk) -> None:
    mail_id = forged(mail_desk)
    case = open_from_mail(
        mail_id,
        mail_desk.desk.account,
        sources=mail_desk.place.sources,
        by=mail_desk.desk.budi,
        now=mail_desk.moment,
    )
    assert (find_mail(mail_id).state, case.opened_by.email) == ("opened", SARI.email)


def test_mail_set_aside_stays_so_with_its_reason(mail_desk: MailDesk) -> None:
    case, mail_id = mail_desk.known(), forged(mail_desk)
    row = reject_mail(mail_id, "Advertising", by=mail_desk.desk.budi, now=mail_desk.moment)
    assert (row.state, row.reason) == ("rejected", "Advertising")
    with pytest.raises(MailSorted, match="by budi"):
        attach_mail(mail_id, case.pk, by=mail_desk.desk.budi, now=mail_desk.moment)
    assert mail_desk.told() == []


def test_a_refusal_leaves_the_mail_waiting(mail_desk: MailDesk) -> None:
    closed, mail_id = mail_desk.desk.resolved(mail_desk.moment), forged(mail_desk)
    with pytest.raises(CaseResolved):
        attach_mail(mail_id, closed.pk, by=mail_desk.desk.budi, now=mail_desk.moment)
    assert find_mail(mail_id).state == "unassigned"
    nobody = forged(mail_desk, From="nobody")
    with pytest.raises(InvalidCase, match="single author"):
        attach_mail(nobody, mail_desk.known().pk, by=mail_desk.desk.budi, now=mail_desk.moment)
    with pytest.raises(MailNotFound):
        find_mail(99)


def test_of_two_who_sort_at_once_one_does(
    mail_desk: MailDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second looked at the mail before the first had sorted it."""
    case, mail_id = mail_desk.known(), forged(mail_desk)
    seen_before = find_mail(mail_id)
    attach_mail(mail_id, case.pk, by=mail_desk.desk.budi, now=mail_desk.moment)
    monkeypatch.setattr(sorting, "find_mail", lambda _: seen_before)
    with pytest.raises(MailSorted):
        reject_mail(mail_id, "Advertising", by=mail_desk.desk.budi, now=mail_desk.moment)
    monkeypatch.undo()
    assert (find_mail(mail_id).state, case.updates.count()) == ("added", 2)
