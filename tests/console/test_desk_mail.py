"""Mail that is kept apart: shown as text, and given its place by a person, once."""

from __future__ import annotations

from django.db import transaction

from merpati.accounts import audit
from merpati.desk import attachments
from merpati.desk.models import Case, MailState, ReceivedMail
from tests.console.conftest import Browser
from tests.desk.cases import MONDAY, Desk

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
