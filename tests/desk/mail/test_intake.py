"""What becomes of mail that comes in: whose it is, which case it is of, and who is answered."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from merpati.accounts.models import AuditEntry
from merpati.desk import case_actions, case_relations
from merpati.desk.case_states import Status
from merpati.desk.contact_links import ContactLink, reply_address
from merpati.desk.mail import intake
from merpati.desk.mail.intake import OF_A_SENDER
from merpati.desk.mail.threads import message_key
from merpati.desk.models import Case, CaseAttachment, CaseUpdate, Contact, ReceivedMail
from merpati.sending.models import OutboxMail
from tests.desk.cases import SARI, SIGNER, Desk
from tests.desk.mail.conftest import KEY, SUPPORT, MailDesk, signed, written
from tests.support.control import make_account


def address_of(case: Case) -> str:
    return reply_address(KEY, ContactLink(case.pk, case.opened_by_id), SUPPORT)


def last(case: Case) -> CaseUpdate:
    update = case.updates.order_by("pk").last()
    assert update is not None
    return update


def test_a_contacts_mail_opens_a_case_in_their_language(mail_desk: MailDesk) -> None:
    Contact.objects.create(
        account=mail_desk.desk.account, name="Sari", email=SARI.email, created_at=mail_desk.moment
    )
    text = "Halo, email ke tari@penerima.example tidak sampai sejak pagi. Mohon dibantu."
    row = mail_desk.comes(written("Re: Email tertahan", text))
    assert (row.state, row.proof, row.reason) == ("opened", "spf", "")
    case = row.case
    assert case is not None
    assert (case.subject, case.language) == ("Email tertahan", "id")
    assert case.opened_by.email == SARI.email
    assert case.opened_at == mail_desk.moment
    assert [(link.kind, link.value) for link in case.links.all()] == [
        ("domain", "penerima.example")
    ]
    assert row.update == case.updates.get()
    assert row.update.text == text
    assert mail_desk.drop.waiting() == []


def test_dkim_proves_a_sender_whoever_brings_the_mail(mail_desk: MailDesk) -> None:
    mail_desk.known()
    row = mail_desk.comes(signed(written()), msg_from="bounce@relay.example", peer="127.0.0.9")
    assert (row.state, row.proof) == ("opened", "dkim")


@pytest.mark.parametrize(
    ("data", "envelope"),
    [
        pytest.param(written(), {"peer": "127.0.0.9"}, id="SPF fails"),
        pytest.param(written(), {"msg_from": "x@other.example"}, id="SPF of another domain"),
        pytest.param(signed(written(), "other.example"), {"peer": "127.0.0.9"}, id="DKIM, other"),
        pytest.param(
            signed(written()).replace(b"Mohon", b"Tolol"), {"peer": "127.0.0.9"}, id="changed"
        ),
        pytest.param(
            signed(written(), length=True) + b"And more.\r\n", {"peer": "127.0.0.9"}, id="length"
        ),
        pytest.param(b"From: evil@other.example\r\n" + signed(written()), {}, id="two authors"),
        pytest.param(
            b"DKIM-Signature : v=1; d=kirim.example; s=s1\r\n" + signed(written(), "other.example"),
            {"peer": "127.0.0.9"},
            id="a field that only some programs see",
        ),
    ],
)
def test_a_forged_sender_is_kept_apart_and_gets_no_answer(
    mail_desk: MailDesk, data: bytes, envelope: dict[str, Any]
) -> None:
    mail_desk.known()
    row = mail_desk.comes(data, **envelope)
    assert (row.state, row.proof, row.case) == ("unassigned", "", None)
    assert "nothing proves" in row.reason
    assert Case.objects.count() == 1
    assert mail_desk.told() == []


def test_a_domain_that_does_not_answer_is_asked_again(mail_desk: MailDesk) -> None:
    mail_desk.known()
    mail_desk.dns.broken.add("kirim.example")
    mail_desk.arrives(written())
    assert mail_desk.intake.step(mail_desk.moment) == 0
    assert not ReceivedMail.objects.exists()
    mail_desk.dns.broken.clear()
    assert mail_desk.intake.step(mail_desk.moment) == 0  # not at once
    mail_desk.later(minutes=2)
    assert mail_desk.intake.step(mail_desk.moment) == 1
    assert ReceivedMail.objects.get().state == "opened"


def test_mail_of_silent_domains_keeps_no_other_waiting(mail_desk: MailDesk) -> None:
    """One look-up for all of a domain's, and whoever waits for it comes after what is new."""
    case = mail_desk.known()
    mail_desk.dns.broken.add("silent.example")
    for number in range(5):
        text = f"Number {number}."
        data = written("M", text, From="x@silent.example")
        mail_desk.arrives(data, msg_from="x@silent.example")
    mail_desk.dns.asked.clear()
    assert mail_desk.intake.step(mail_desk.moment) == 0
    assert len(mail_desk.dns.asked) == 1
    mail_desk.later(minutes=3)
    mail_desk.arrives(written("M", "Halo."), rcpt_to=address_of(case))
    mail_desk.intake.step(mail_desk.moment)
    assert ReceivedMail.objects.get().text == "Halo."


def test_a_domain_that_never_answers_proves_nothing(mail_desk: MailDesk) -> None:
    mail_desk.known()
    mail_desk.dns.broken.add("kirim.example")
    mail_desk.arrives(written())
    mail_desk.later(hours=1)
    assert mail_desk.intake.step(mail_desk.moment) == 1
    assert ReceivedMail.objects.get().state == "unassigned"


@pytest.mark.parametrize(
    ("fields", "is_by_token"),
    [
        pytest.param({"Subject": "Something else"}, True, id="changed subject"),
        pytest.param({"From": "sari@rumah.example"}, True, id="second address"),
        pytest.param({"From": "Budi <budi@desk.example>"}, True, id="forwarded by staff"),
        pytest.param({"Subject": "Re: [#{n}] Mail"}, False, id="tag"),
        pytest.param({"In_Reply_To": "<{key}@desk.example>"}, False, id="reference"),
    ],
)
def test_a_reply_reaches_its_case(
    mail_desk: MailDesk, fields: dict[str, str], is_by_token: bool
) -> None:
    """L3: by the signed address whoever writes, and is shown where that is not the contact."""
    case = mail_desk.known()
    key = message_key(case.pk, last(case).pk, case.opened_by_id, last(case).at)
    given = {name: value.format(n=case.pk, key=key) for name, value in fields.items()}
    data = written(
        given.pop("Subject", "Anything"), "Yes.\n\nOn Mon, Budi wrote:\n> Well?", **given
    )
    envelope = {"rcpt_to": address_of(case), "peer": "127.0.0.9"} if is_by_token else {}
    row = mail_desk.comes(data, **envelope)
    assert (row.state, row.case) == ("added", case)
    entry = last(case)
    assert (entry.kind, entry.text, row.update) == ("message", "Yes.", entry)
    assert entry.author_email == SARI.email
    assert "> Well?" in row.text
    assert entry.detail.get("wrote_from", "") == (
        row.from_email if row.from_email != SARI.email else ""
    )


def test_a_tag_or_reference_proves_nothing_by_itself(mail_desk: MailDesk) -> None:
    case = mail_desk.known()
    row = mail_desk.comes(written(f"[#{case.pk}] agreed"), peer="127.0.0.9")
    assert (row.state, case.updates.count()) == ("unassigned", 1)


def test_a_colleague_adds_to_a_case_and_a_stranger_does_not(mail_desk: MailDesk) -> None:
    """The owner's colleague is of the same account; a contact of another account gets an answer."""
    case = mail_desk.known()
    for name, account in (("wati", case.account), ("evil", make_account())):
        Contact.objects.create(
            account=account, name=name, email=f"{name}@kirim.example", created_at=mail_desk.moment
        )
    subject = f"Re: [#{case.pk}] Mail"
    row = mail_desk.comes(written(subject, "Also here.", From="wati@kirim.example"))
    assert (row.state, last(case).author_email) == ("added", "wati@kirim.example")
    mail_desk.told()
    row = mail_desk.comes(written(subject, "Show me.", From="evil@kirim.example"))
    assert (row.state, row.case, case.updates.count()) == ("unassigned", None, 2)
    (answer,) = mail_desk.told()
    assert answer.to_email == "evil@kirim.example"
    assert f"no case #{case.pk}" in answer.text
    assert case.subject not in answer.text + answer.subject


def test_a_reply_to_a_closed_case_is_kept_and_answered_once_a_day(mail_desk: MailDesk) -> None:
    case = mail_desk.known()
    case_actions.propose(case.pk, "It flows.", by=mail_desk.desk.budi, now=mail_desk.moment)
    case_actions.agree(case.pk, by=mail_desk.desk.sari, signer=SIGNER, now=mail_desk.moment)
    mail_desk.told()
    for text in ("Terima kasih!", "Satu lagi."):
        row = mail_desk.comes(written("Re: Mail", text), rcpt_to=address_of(case))
        assert (row.state, row.reason, row.case) == ("filed", "the case is resolved", case)
    (answer,) = mail_desk.told()
    assert "sudah selesai" in answer.text
    assert answer.headers["Auto-Submitted"] == "auto-replied"
    case.refresh_from_db()
    assert case.status == Status.RESOLVED
    mail_desk.later(days=1)
    mail_desk.comes(written("Re: Mail", "Halo?"), rcpt_to=address_of(case))
    assert len(mail_desk.told()) == 1


def test_a_reply_to_a_merged_case_goes_to_where_it_went(mail_desk: MailDesk) -> None:
    case, into = mail_desk.known(), mail_desk.known()
    case_relations.merge(case.pk, into.pk, by=mail_desk.desk.budi, now=mail_desk.moment)
    mail_desk.told()
    row = mail_desk.comes(written("Re: Mail", "Halo."), rcpt_to=address_of(case))
    assert (row.state, row.case) == ("added", into)
    assert last(into).text == "Halo."
    to_sari = [mail for mail in mail_desk.told() if mail.to_email == SARI.email]
    assert f"kasus #{into.pk}" in to_sari[0].text


def test_a_mail_never_agrees(mail_desk: MailDesk) -> None:
    """L5: whatever it says."""
    case = mail_desk.known()
    case_actions.propose(case.pk, "It flows.", by=mail_desk.desk.budi, now=mail_desk.moment)
    row = mail_desk.comes(written("Re: Mail", "Setuju. I agree."), rcpt_to=address_of(case))
    case.refresh_from_db()
    assert (row.state, case.status) == ("added", Status.PROPOSED)


AUTOMATIC = {
    "out of office": {"Subject": "Automatic reply: Mail", "text": "I am away."},
    "balasan otomatis": {"Subject": "Balasan otomatis: Mail"},
    "Auto-Submitted": {"Auto_Submitted": "auto-replied"},
    "Precedence": {"Precedence": "bulk"},
    "List-Id": {"List_Id": "<news.kirim.example>"},
    "X-Auto-Response-Suppress": {"X_Auto_Response_Suppress": "OOF"},
    "our own, come back": {"X_Loop": SUPPORT},
    "another desk's": {"Auto_Submitted": "auto-generated", "Subject": "[Ticket 5] We have it"},
    "delivery report": {"Content_Type": ""},
}


@pytest.mark.parametrize("fields", AUTOMATIC.values(), ids=AUTOMATIC.keys())
@pytest.mark.parametrize("is_reply", [True, False])
def test_automatic_mail_is_filed_and_never_answered(
    mail_desk: MailDesk, fields: dict[str, str], is_reply: bool
) -> None:
    """L1."""
    case = mail_desk.known()
    given = dict(fields)
    data = written(given.pop("Subject", "Mail"), given.pop("text", ""), **given)
    envelope = {"rcpt_to": address_of(case)} if is_reply else {}
    if "Content_Type" in fields:
        data = data.replace(b"Content-Type: text/plain", b"Content-Type: multipart/report")
    row = mail_desk.comes(data, **envelope)
    assert (row.state, row.is_automatic) == ("filed", True)
    assert row.case == (case if is_reply else None)
    assert (case.updates.count(), Case.objects.count()) == (1, 1)
    assert mail_desk.told() == []


def test_mail_without_a_sender_is_filed(mail_desk: MailDesk) -> None:
    """L1: the null sender."""
    case = mail_desk.known()
    row = mail_desk.comes(written(), msg_from="", rcpt_to=address_of(case))
    assert (row.state, row.case) == ("filed", case)


def test_an_acknowledgement_goes_out_once_a_case(mail_desk: MailDesk) -> None:
    """L1: nor does anything that answers it bring another."""
    mail_desk.known()
    row = mail_desk.comes(written())
    assert row.case is not None
    acknowledged = [mail for mail in mail_desk.told() if mail.to_email == SARI.email]
    assert len(acknowledged) == 1
    for number in range(3):
        mail_desk.comes(
            written("Re: ok", f"We have your mail, {number}."), rcpt_to=address_of(row.case)
        )
    assert [mail for mail in mail_desk.told() if mail.to_email == SARI.email] == []


def test_a_storm_is_filed_and_alerted_once(
    mail_desk: MailDesk, caplog: pytest.LogCaptureFixture
) -> None:
    """L1: many mails of one sender; another sender, and whoever forges this one, count apart."""
    case = mail_desk.known()
    for number in range(OF_A_SENDER + 3):
        mail_desk.arrives(written("Mail", f"Loop {number}"), peer="127.0.0.9")
        mail_desk.arrives(written("Mail", f"Loop {number}"), rcpt_to=address_of(case))
    while mail_desk.intake.step(mail_desk.moment):
        pass
    rows = ReceivedMail.objects.order_by("pk")
    assert rows.filter(state="added").count() == OF_A_SENDER
    assert rows.filter(state="unassigned").count() == OF_A_SENDER
    assert [row.reason[:5] for row in rows.filter(state="filed")] == ["storm"] * 6
    assert [r.message[:10] for r in caplog.records if "storm" in r.message] == ["mail_storm"] * 2
    assert AuditEntry.objects.filter(action="mail_storm").count() == 2
    mail_desk.later(hours=1, minutes=1)
    assert mail_desk.comes(written("M", "New."), rcpt_to=address_of(case)).state == "added"


def test_the_same_mail_twice_is_one_message(mail_desk: MailDesk) -> None:
    """As when it was sent to the address and to its token's at once."""
    case = mail_desk.known()
    data = written("Re: Mail", "Once.", Message_ID="<1@kirim.example>")
    assert mail_desk.comes(data, rcpt_to=address_of(case)).state == "added"
    row = mail_desk.comes(data)
    assert (row.state, row.reason) == ("filed", "the same mail came before")
    assert Case.objects.count() == 1


@pytest.mark.parametrize("is_reply", [True, False])
def test_killed_after_the_act_it_is_not_done_twice(
    mail_desk: MailDesk, monkeypatch: pytest.MonkeyPatch, is_reply: bool
) -> None:
    """D4, for mail in: its name finds what it did."""
    case = mail_desk.known()

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    data = written("Re: Mail", "Once.")
    envelope = {"rcpt_to": address_of(case)} if is_reply else {}
    with monkeypatch.context() as patched:
        patched.setattr(intake, "_store", killed)
        with pytest.raises(Killed):
            mail_desk.comes(data, **envelope)
    assert len(mail_desk.drop.waiting()) == 1
    mail_desk.intake.step(mail_desk.moment)
    assert (Case.objects.count(), case.updates.count()) == ((1, 2) if is_reply else (2, 1))
    assert ReceivedMail.objects.get().update is not None
    assert mail_desk.drop.waiting() == []


def test_a_mail_that_we_fail_over_waits_for_a_person_in_the_end(
    mail_desk: MailDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_desk.known()

    def broken(_: bytes) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(intake, "parse", broken)
    name = mail_desk.arrives(written())
    for _ in range(intake.TRIES):
        assert mail_desk.intake.step(mail_desk.moment) == 0
        mail_desk.later(minutes=2)
    assert mail_desk.intake.step(mail_desk.moment) == 1
    row = ReceivedMail.objects.get(name=name)
    assert (row.state, row.reason) == ("unassigned", "it cannot be taken apart")


def test_a_damaged_file_is_set_aside_and_holds_nobody_up(mail_desk: MailDesk) -> None:
    case = mail_desk.known()
    name = mail_desk.arrives(written())
    (mail_desk.folder / "incoming" / f"{name}.mail").write_bytes(b"\x00broken")
    assert mail_desk.comes(written("Re", "Halo."), rcpt_to=address_of(case)).state == "added"
    assert [path.name for path in (mail_desk.folder / "incoming").iterdir()] == [f"{name}.broken"]


def test_files_beyond_the_limits_are_named(mail_desk: MailDesk) -> None:
    """A thousand attachments: twenty are kept, the others counted; all are in the mail itself."""
    case = mail_desk.known()
    mail = EmailMessage()
    mail["From"], mail["Subject"] = SARI.email, "Re: Mail"
    mail.set_content("Semua log.")
    for number in range(1_000):
        mail.add_attachment(b"x", maintype="text", subtype="plain", filename=f"log-{number}.txt")
    row = mail_desk.comes(
        mail.as_bytes(policy=mail.policy.clone(linesep="\r\n")), rcpt_to=address_of(case)
    )
    assert row.state == "added"
    assert CaseAttachment.objects.filter(case=case).count() == 20
    text = last(case).text
    assert text.startswith("Semua log.\n\n[Tidak disimpan di sini")
    assert "log-20.txt" in text and text.endswith("+960]")


def test_role_addresses_reach_a_person(mail_desk: MailDesk) -> None:
    for local in ("postmaster", "abuse"):
        row = mail_desk.comes(
            written("Spam from you", From="noreply@provider.example"),
            msg_from="",
            rcpt_to=f"{local}@desk.example",
        )
        assert (row.state, row.is_automatic) == ("unassigned", True)


def test_a_contact_of_several_accounts_is_asked_about(mail_desk: MailDesk, tmp_path: Path) -> None:
    mail_desk.known()
    Desk(tmp_path, person=mail_desk.desk.person).opens()
    row = mail_desk.comes(written())
    assert row.state == "unassigned"
    assert "several accounts" in row.reason


def test_nothing_is_told_where_the_desk_has_no_address(mail_desk: MailDesk) -> None:
    mail_desk.desk.opens()
    mail_desk.teller._place = mail_desk.place.__class__("", KEY, "", mail_desk.place.sources)
    assert mail_desk.told() == []
    mail_desk.teller._place = mail_desk.place
    assert mail_desk.told() == []
    assert not OutboxMail.objects.exists()
