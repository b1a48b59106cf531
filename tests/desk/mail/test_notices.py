"""Mail that goes out: to whom, in which language, by which address to answer, as which thread."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from merpati.desk import case_actions, people, tam
from merpati.desk.attachments import NewFile
from merpati.desk.case_opening import NewContact
from merpati.desk.contact_links import (
    StaffLink,
    read_page_token,
    read_reply_address,
    read_staff_address,
)
from merpati.desk.mail import notices, reminders
from merpati.desk.models import Case, Notice
from merpati.desk.scope import OutOfScope
from merpati.sending.models import OutboxMail
from tests.desk.cases import BY, SARI, SIGNER, add_person, uk
from tests.desk.mail.conftest import KEY, SUPPORT, MailDesk, written

WATI = NewContact("Wati", "wati@kirim.example")


def test_an_opening_is_acknowledged_with_number_hours_and_moment(mail_desk: MailDesk) -> None:
    mail_desk.desk.opens(mail_desk.moment, language="id", watchers=[WATI])
    to_sari, to_wati, to_budi = mail_desk.told()
    case = Case.objects.get()
    assert [m.to_email for m in (to_sari, to_wati, to_budi)] == [
        *(SARI.email, WATI.email, "budi@desk.example")
    ]
    assert to_sari.subject == f"[#{case.pk}] Mail to Penerima waits"
    for words in ("Halo Sari,", f"#{case.pk}", "Budi", "Sen 2 Mar 13:00 (GMT)", "Sen sampai Jum"):
        assert words in to_sari.text, words
    assert "balaslah email ini" in to_sari.text
    assert to_sari.headers["Auto-Submitted"] == "auto-replied"
    assert to_sari.headers["X-Loop"] == SUPPORT
    assert "opened case" in to_budi.text


def test_each_contact_answers_by_an_address_and_a_page_of_their_own(mail_desk: MailDesk) -> None:
    case = mail_desk.desk.opens(watchers=[WATI])
    to_sari, to_wati, to_budi = mail_desk.told()
    found = set()
    for mail in (to_sari, to_wati):
        link = read_reply_address(KEY, mail.reply_to, SUPPORT)
        assert link is not None and link.case_number == case.pk
        url = next(line for line in mail.text.split("\n") if "/c/" in line)
        token = url.removeprefix("https://mail.example/c/")
        assert read_page_token(KEY, token, mail_desk.moment) == link
        assert f'<a href="{url}">' in mail.html
        found.add(link.contact_id)
    assert found == {contact.pk for contact in notices.contacts_of(case)}
    staff_link = read_staff_address(KEY, to_budi.reply_to, SUPPORT)
    assert staff_link == StaffLink(case.pk, mail_desk.desk.person.pk)


def acts(case: Case, mail_desk: MailDesk) -> dict[str, Any]:
    number, budi, now = case.pk, mail_desk.desk.budi, mail_desk.moment
    return {
        "message": lambda: case_actions.write(number, "Kata kami.", by=budi, now=now),
        "ask": lambda: case_actions.ask(number, "Kata kami.", by=budi, now=now),
        "progress": lambda: case_actions.report_progress(number, "Kata kami.", by=budi, now=now),
        "scope": lambda: case_actions.answer_out_of_scope(
            number, OutOfScope.TEMPLATES, "Kata kami.", by=budi, now=now
        ),
        "propose": lambda: case_actions.propose(number, "Kata kami.", by=budi, now=now),
    }


@pytest.mark.parametrize(
    ("act", "words"),
    [
        ("message", "Kata kami."),
        ("ask", "kami memerlukan sesuatu dari Anda"),
        ("progress", "Berikut perkembangannya"),
        ("scope", "tidak termasuk dalam paket layanan Anda"),
        ("propose", "Nyatakan setuju atau tidak setuju di halaman ini"),
    ],
)
def test_each_word_of_the_desk_goes_to_opener_and_watchers(
    mail_desk: MailDesk, act: str, words: str
) -> None:
    case = mail_desk.desk.opens(language="id", watchers=[WATI])
    mail_desk.told()
    acts(case, mail_desk)[act]()
    mails = mail_desk.told()
    assert [mail.to_email for mail in mails] == [SARI.email, WATI.email]
    assert "Kata kami." in mails[0].text and words in mails[0].text
    assert (mails[0].from_name, "Auto-Submitted" in mails[0].headers) == ("Budi", False)
    assert "> Since this morning." in mails[0].text
    assert not Notice.objects.exists()


def test_notes_are_told_to_nobody(mail_desk: MailDesk) -> None:
    case = mail_desk.known()
    case_actions.note(case.pk, "Mind.", by=mail_desk.desk.budi, now=mail_desk.moment)
    assert mail_desk.told() == []


def test_the_customers_word_goes_to_who_is_responsible(mail_desk: MailDesk) -> None:
    case = mail_desk.known()
    case_actions.write(case.pk, "Any news?", by=mail_desk.desk.sari, now=mail_desk.moment)
    (mail,) = mail_desk.told()
    assert (mail.to_email, "Any news?" in mail.text) == ("budi@desk.example", True)
    assert f"https://mail.example/desk/cases/{case.pk}" in mail.text


def test_an_assignment_is_told_to_whom_it_makes_responsible(mail_desk: MailDesk) -> None:
    case, tari = mail_desk.known(), add_person("Tari")
    case_actions.assign(case.pk, tari, by=mail_desk.desk.budi, now=mail_desk.moment)
    (mail,) = mail_desk.told()
    assert mail.to_email == "tari@desk.example"
    case_actions.assign(
        case.pk, mail_desk.desk.person, by=mail_desk.desk.budi, now=mail_desk.moment
    )
    assert mail_desk.told() == []  # who takes a case knows it


def test_an_escalation_goes_to_the_tam(mail_desk: MailDesk) -> None:
    tari = add_person("Tari", "tam")
    account = mail_desk.desk.account
    people.assign_tam(account.pk, tari.email, by=BY, now=mail_desk.moment)
    people.complete_onboarding(account.pk, by=BY, now=mail_desk.moment)
    assert tam.current_assignment(account.pk)
    case = mail_desk.known()
    case_actions.escalate(case.pk, "Two days.", by=mail_desk.desk.sari, now=mail_desk.moment)
    assert {mail.to_email for mail in mail_desk.told()} == {
        *("budi@desk.example", "tari@desk.example")
    }


def test_the_agreement_is_told_to_both_sides(mail_desk: MailDesk) -> None:
    case = mail_desk.known()
    case_actions.propose(case.pk, "It flows.", by=mail_desk.desk.budi, now=mail_desk.moment)
    mail_desk.told()
    case_actions.agree(case.pk, "Ya.", by=mail_desk.desk.sari, signer=SIGNER, now=mail_desk.moment)
    to_sari, to_budi = mail_desk.told()
    assert "It flows." in to_sari.text and "Kedua pihak setuju" in to_sari.text
    assert "agreed" in to_budi.text


def test_mails_of_a_case_are_one_thread(mail_desk: MailDesk) -> None:
    mail_desk.known()
    row = mail_desk.comes(written("Mail", Message_ID="<first@kirim.example>"))
    case = row.case
    assert case is not None
    acknowledged = next(mail for mail in mail_desk.told() if mail.to_email == SARI.email)
    assert acknowledged.headers["In-Reply-To"] == "<first@kirim.example>"
    mail_desk.later(minutes=5)
    case_actions.write(case.pk, "We look.", by=mail_desk.desk.budi, now=mail_desk.moment)
    (answer,) = mail_desk.told()
    assert answer.headers["In-Reply-To"] == f"<{acknowledged.message_key}@desk.example>"
    assert answer.headers["References"].split() == [
        *("<first@kirim.example>", f"<{acknowledged.message_key}@desk.example>")
    ]
    assert answer.subject == acknowledged.subject == f"[#{case.pk}] Mail"


def test_files_of_the_desk_go_with_the_mail(mail_desk: MailDesk) -> None:
    case = mail_desk.known()
    file = NewFile("dialog.txt", b"250 OK")
    case_actions.write(case.pk, "See.", [file], by=mail_desk.desk.budi, now=mail_desk.moment)
    mail_desk.teller.step(mail_desk.moment)
    (mail,) = OutboxMail.objects.filter(sent_at=None)
    assert [(f.name, bytes(f.data)) for f in mail.files.all()] == [("dialog.txt", b"250 OK")]


def test_what_people_write_is_no_html_of_ours(mail_desk: MailDesk) -> None:
    case = mail_desk.known()
    text = "<script>alert(1)</script> & <b>x</b>"
    case_actions.write(case.pk, text, by=mail_desk.desk.budi, now=mail_desk.moment)
    (mail,) = mail_desk.told()
    assert "<script" not in mail.html and "<b>" not in mail.html
    assert "&lt;script&gt;" in mail.html
    assert text in mail.text


def test_one_that_cannot_be_told_silences_nobody(
    mail_desk: MailDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, other = mail_desk.desk.opens(), mail_desk.desk.opens()
    tell = notices._tell

    def broken(place: Any, update_id: int, now: Any) -> None:
        if update_id == case.updates.get().pk:
            raise ZeroDivisionError
        tell(place, update_id, now)

    with monkeypatch.context() as patched:
        patched.setattr(notices, "_tell", broken)
        assert {mail.subject[:4] for mail in mail_desk.told()} == {f"[#{other.pk}]"[:4]}
        assert mail_desk.told() == []
    mail_desk.later(minutes=5)
    assert {mail.subject[:4] for mail in mail_desk.told()} == {f"[#{case.pk}]"[:4]}


def reminded(mail_desk: MailDesk, moment: str) -> list[str]:
    """Return whom the reminders of a moment go to."""
    mail_desk.moment = uk(moment)
    reminders.remind(mail_desk.place, mail_desk.moment)
    return [mail.to_email for mail in mail_desk.outbox()]


@pytest.mark.parametrize("act", [case_actions.ask, case_actions.propose])
def test_an_unanswered_question_is_brought_back_once_in_business_hours(
    mail_desk: MailDesk, act: Any
) -> None:
    """L5, C6: sixteen hours of business later, and it changes nothing."""
    case = mail_desk.known()  # Monday 09:00
    act(case.pk, "Which?", by=mail_desk.desk.budi, now=uk("03-02 10:00"))
    mail_desk.told()
    case.refresh_from_db()
    status = case.status
    assert reminded(mail_desk, "03-04 09:59") == []
    assert reminded(mail_desk, "03-04 10:00") == [SARI.email]
    assert reminded(mail_desk, "03-30 10:00") == []
    case.refresh_from_db()
    assert case.status == status
    assert OutboxMail.objects.filter(key__contains="reminder", text__contains="Which?").exists()


def test_an_answer_ends_the_reminder(mail_desk: MailDesk) -> None:
    case = mail_desk.known()
    case_actions.ask(case.pk, "Which?", by=mail_desk.desk.budi, now=uk("03-02 10:00"))
    case_actions.write(case.pk, "This.", by=mail_desk.desk.sari, now=uk("03-02 11:00"))
    case_actions.report_progress(case.pk, "Good.", by=mail_desk.desk.budi, now=uk("03-02 12:00"))
    mail_desk.told()
    assert reminded(mail_desk, "03-04 10:00") == []


def test_what_falls_due_in_an_hour_is_told_to_who_is_responsible(mail_desk: MailDesk) -> None:
    """The first answer, due 13:00 after four hours; then the next update."""
    case = mail_desk.known()
    assert reminded(mail_desk, "03-02 11:59") == []
    assert reminded(mail_desk, "03-02 12:00") == ["budi@desk.example"]
    assert reminded(mail_desk, "03-02 12:01") == []
    case_actions.write(case.pk, "We look.", by=mail_desk.desk.budi, now=uk("03-02 12:30"))
    mail_desk.told()
    assert reminded(mail_desk, "03-04 11:29") == []
    assert reminded(mail_desk, "03-04 11:30") == ["budi@desk.example"]


def test_a_reminder_found_late_waits_for_the_next_opening(mail_desk: MailDesk) -> None:
    """C6: the clock process was down when it fell due."""
    mail_desk.known()
    assert reminded(mail_desk, "03-02 23:00") == []
    assert reminded(mail_desk, "03-03 08:29") == []
    assert reminded(mail_desk, "03-03 08:30") == ["budi@desk.example"]


def test_a_closed_case_reminds_nobody(mail_desk: MailDesk) -> None:
    mail_desk.desk.resolved(mail_desk.moment)
    mail_desk.told()
    mail_desk.later(days=30)
    assert reminders.remind(mail_desk.place, mail_desk.moment) == 0


def test_a_reminder_keeps_its_thread(mail_desk: MailDesk) -> None:
    case = mail_desk.known()
    case_actions.ask(case.pk, "Which?", by=mail_desk.desk.budi, now=mail_desk.moment)
    asked = mail_desk.told()[0]
    mail_desk.moment += timedelta(days=2)
    reminders.remind(mail_desk.place, mail_desk.moment)
    (mail,) = mail_desk.outbox()
    assert mail.headers["In-Reply-To"] == f"<{asked.message_key}@desk.example>"
    assert mail.message_key != asked.message_key
