"""Mail that is kept apart: shown as text, and given its place by a person, once."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.utils import translation

from merpati.accounts import audit
from merpati.console.desk.mail_reasons import reason_in_words
from merpati.desk import attachments
from merpati.desk.models import Case, Contact, MailState, ReceivedMail
from tests.console.conftest import Browser
from tests.desk.cases import MONDAY, Desk
from tests.support.control import make_account

RAW = b"""From: Sari <sari@other.example>\r
To: support@desk.example\r
Subject: Ours waits too\r
Message-ID: <1@other.example>\r
\r
Since <b>noon</b>.\r
"""


def received(name: str = "m1", **fields: object) -> ReceivedMail:
    given: dict[str, object] = {
        "name": name,
        "digest": attachments.file_store().put(RAW),
        "received_at": MONDAY,
        "msg_from": "sari@other.example",
        "rcpt_to": "support@desk.example",
        "peer": "127.0.0.9",
        "helo": "other.example",
        "size_bytes": len(RAW),
        "from_email": "sari@other.example",
        "from_name": "Sari",
        "subject": "Ours waits too",
        "text": "Since <b>noon</b>.",
        "state": MailState.UNASSIGNED,
        "reason": "nobody knows the sender",
    }
    return ReceivedMail.objects.create(**(given | fields))


def test_mail_is_shown_as_text_with_why_it_waits(desk: Desk, budi: Browser) -> None:
    received()
    received("m2", state=MailState.FILED, subject="Out of office")
    page = budi.page("/desk/mail")
    for text in ("Ours waits too", "not proved", "nobody knows the sender", "&lt;b&gt;noon"):
        assert text in page
    assert "Out of office" not in page
    assert "Out of office" in budi.page("/desk/mail?state=filed")
    assert "Mail kept apart" in budi.page("/desk")


def test_a_contact_of_several_accounts_waits_in_sight_of_the_queue(
    desk: Desk, budi: Browser
) -> None:
    other = make_account()
    contacts = [
        Contact.objects.create(
            account=account, name="Sari", email="sari@other.example", created_at=MONDAY
        )
        for account in (desk.account, other)
    ]
    names = f"{desk.account.name}, {other.name}"
    reason = f"its sender is a contact of several accounts: {names}"
    mail = received(proof="dkim", contact=contacts[0], reason=reason)
    received("m2")  # claims to be the same, and is nobody's to open with one click
    assert "A mail of a known contact waits" in budi.page("/desk")
    page = budi.page("/desk/mail")
    assert f"Its sender is a contact of several accounts: {names}. Choose one." in page
    assert page.count(f"Open a case for {other.name}</button>") == 1
    budi.post(f"/desk/mail/{mail.pk}/open", {"account": other.pk})
    assert Case.objects.get().account == other
    assert "known contact waits" not in budi.page("/desk")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("automatic: Precedence", "Sebuah program mengirimnya (Precedence)"),
        ("storm: 20 mails of a@b.example in an hour", "20 email dari a@b.example"),
        ("it names case 7, which is none of theirs", "kasus 7"),
        ("An advertisement", "An advertisement"),  # as a person typed it
    ],
)
def test_reasons_are_told_in_the_readers_language(reason: str, words: str) -> None:
    with translation.override("id"):
        assert words in reason_in_words(reason)


def test_a_mail_goes_into_a_case_once(desk: Desk, budi: Browser, tina: Browser) -> None:
    case, mail = desk.opens(), received()
    path = f"/desk/mail/{mail.pk}/attach"
    assert budi.post(path, {"number": "x"}).status_code == 422
    assert budi.post(path, {"number": f"#{case.pk}"}).status_code == 302
    entry = case.updates.order_by("-id")[0]
    assert (entry.text, entry.author_email) == ("Since <b>noon</b>.", "sari@other.example")
    again = tina.post(path, {"number": case.pk})
    assert again.status_code == 422
    assert "found a place for this mail meanwhile" in again.content.decode()
    assert case.updates.count() == 2


def test_a_mail_opens_a_case_or_is_set_aside(desk: Desk, budi: Browser) -> None:
    first, second = received(), received("m2")
    budi.post(f"/desk/mail/{first.pk}/open", {"account": desk.account.pk})
    assert Case.objects.get().subject == "Ours waits too"
    assert budi.post(f"/desk/mail/{second.pk}/reject", {"reason": ""}).status_code == 422
    budi.post(f"/desk/mail/{second.pk}/reject", {"reason": "An advertisement"})
    second.refresh_from_db()
    assert (second.state, second.reason) == (MailState.REJECTED, "An advertisement")
    assert "No mail waits for a person." in budi.page("/desk/mail")
    assert budi.post("/desk/mail/99/reject", {"reason": "x"}).status_code == 404


def test_storms_that_were_held_back_are_on_record(desk: Desk, budi: Browser) -> None:
    with transaction.atomic():
        audit.record(
            "mail_storm", "bot@other.example", by="email", now=MONDAY, account_id=None, mails=30
        )
    page = budi.page("/desk/mail")
    assert "bot@other.example" in page
    assert "30 mails in an hour" in page
