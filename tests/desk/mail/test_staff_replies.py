"""One of the desk answers a case by mail: only to their signed address, and proved to be theirs."""

from __future__ import annotations

from typing import Any

import pytest

from merpati.accounts.models import User
from merpati.desk import case_actions
from merpati.desk.contact_links import ContactLink, StaffLink, reply_address, staff_address
from merpati.desk.models import Case
from tests.desk.cases import MONDAY, SIGNER
from tests.desk.mail.conftest import KEY, SUPPORT, MailDesk, signed, written
from tests.support.worker import key_pair

BUDI = "budi@desk.example"
FROM = {"From": f"Budi <{BUDI}>"}


@pytest.fixture
def case(mail_desk: MailDesk) -> Case:
    mail_desk.dns.add("desk.example", "TXT", '"v=spf1 ip4:127.0.0.1 -all"')
    return mail_desk.known()


def address(mail_desk: MailDesk, case: Case) -> str:
    return staff_address(KEY, StaffLink(case.pk, mail_desk.desk.person.pk), SUPPORT)


def answers(mail_desk: MailDesk, case: Case, text: str = "We found it.", **more: Any) -> Any:
    envelope = {"rcpt_to": address(mail_desk, case), "msg_from": BUDI, "helo": "mx.desk.example"}
    fields = FROM | more.pop("fields", {})
    return mail_desk.comes(written("Re: it", text, **fields), **(envelope | more))


def test_a_reply_to_the_mail_about_a_case_reaches_the_customer(
    mail_desk: MailDesk, case: Case
) -> None:
    case_actions.write(case.pk, "Any news?", by=mail_desk.desk.sari, now=mail_desk.moment)
    (told,) = mail_desk.told()
    assert told.reply_to == address(mail_desk, case)
    assert "Answer this email, and the customer reads it" in told.text
    quoted = "".join(f"> {line}\n" for line in told.text.splitlines())
    said = f"We found it.\n\nOn Mon, 2 Mar 2026 at 10:00, Merpati <{SUPPORT}> wrote:\n{quoted}"
    row = answers(mail_desk, case, said)
    assert (row.state, row.proof, row.reason) == ("added", "spf", "")
    entry = case.updates.get(mail=row)
    assert (entry.side, entry.kind, entry.text) == ("desk", "message", "We found it.")
    assert entry.author_email == BUDI
    mails = mail_desk.told()
    assert [mail.to_email for mail in mails] == ["sari@kirim.example"]
    assert "We found it." in mails[0].text


@pytest.mark.parametrize(
    ("envelope", "fields"),
    [
        ({"peer": "127.0.0.9"}, {}),  # SPF fails: From is forged
        ({"msg_from": "sari@kirim.example", "helo": "mx.kirim.example"}, {}),  # not aligned
        ({}, {"From": "Tina <tina@desk.example>"}),  # a colleague's, to another's address
        ({"msg_from": "sari@kirim.example"}, {"From": "Sari <sari@kirim.example>"}),  # the customer
    ],
)
def test_the_address_alone_speaks_for_nobody(
    mail_desk: MailDesk, case: Case, envelope: Any, fields: Any
) -> None:
    row = answers(mail_desk, case, fields=fields, **envelope)
    assert row.state == "unassigned"
    assert "nothing proves that it is theirs" in row.reason
    assert case.updates.count() == 1
    assert mail_desk.told() == []


def test_who_left_the_staff_speaks_for_it_no_longer(mail_desk: MailDesk, case: Case) -> None:
    user = User.objects.create(email=BUDI, name="Budi", staff_role="", created_at=MONDAY)
    assert answers(mail_desk, case).state == "unassigned"
    User.objects.filter(pk=user.pk).update(staff_role="representative", is_active=False)
    assert answers(mail_desk, case, "Again.").state == "unassigned"
    User.objects.filter(pk=user.pk).update(is_active=True)
    assert answers(mail_desk, case, "Back again.").state == "added"


def test_a_contacts_address_is_none_of_the_desks(mail_desk: MailDesk, case: Case) -> None:
    """Each token is signed for one purpose, though both hold two numbers."""
    theirs = reply_address(KEY, ContactLink(case.pk, mail_desk.desk.person.pk), SUPPORT)
    assert theirs != address(mail_desk, case)
    row = answers(mail_desk, case, rcpt_to=theirs)
    assert case.updates.filter(side="desk").count() == 0, row


@pytest.mark.parametrize(
    "text",
    [
        "> Sari wrote in case #1:\n> Any news?",  # nothing of their own
        "Sari wrote in case #1:\nAny news?\nhttps://mail.example/desk/cases/1",  # quoted unmarked
    ],
)
def test_what_quotes_our_own_mail_is_not_sent_to_the_customer(
    mail_desk: MailDesk, case: Case, text: str
) -> None:
    row = answers(mail_desk, case, text)
    assert (row.state, case.updates.count()) == ("unassigned", 1)
    assert "cannot be told from what it quotes" in row.reason


def test_dkim_proves_them_too_and_a_closed_case_stays_closed(
    mail_desk: MailDesk, case: Case
) -> None:
    mail_desk.dns.add_txt("s1._domainkey.desk.example", f"v=DKIM1; k=rsa; p={key_pair()[1]}")
    row = mail_desk.comes(
        signed(written("Re: it", "We found it.", **FROM), "desk.example"),
        rcpt_to=address(mail_desk, case),
        msg_from="bounce@relay.example",
        peer="127.0.0.9",
    )
    assert (row.state, row.proof) == ("added", "dkim")
    case_actions.propose(case.pk, "It works.", by=mail_desk.desk.budi, now=mail_desk.moment)
    case_actions.agree(case.pk, by=mail_desk.desk.sari, signer=SIGNER, now=mail_desk.moment)
    row = answers(mail_desk, case, "One more thing.")
    assert (row.state, row.reason) == ("filed", "the case is resolved")
