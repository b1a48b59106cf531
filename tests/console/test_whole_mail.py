"""A mail shown whole: nothing of what a stranger sent runs as ours."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from merpati.console.cases.mail_page import cleaned
from merpati.desk.attachments import file_store
from merpati.desk.models import Case, ReceivedMail
from tests.console.conftest import Browser
from tests.desk.cases import MONDAY, Desk

EVIL = """<p onclick="alert(1)">Hello <b>there</b></p><script>alert(1)</script>
<style>body{display:none}</style><img src="https://spy.example/pixel"><iframe src="/"></iframe>
<form action="https://evil.example"><input name="password"></form>
<a href="javascript:alert(1)">click</a><svg onload="alert(1)"></svg>"""


def add_mail(case: Case, html: str, *, is_internal: bool = False) -> ReceivedMail:
    message = EmailMessage()
    message["Subject"], message["From"] = "Re: waits", "Sari <sari@kirim.example>"
    message.set_content("Hello there\n\nAll of the text")
    message.add_alternative(html, subtype="html")
    raw = message.as_bytes()
    update = case.updates.create(
        kind="message",
        at=MONDAY,
        side="customer",
        author_name="Sari",
        via="mail",
        text="Hello there",
        is_internal=is_internal,
    )
    return ReceivedMail.objects.create(
        name=f"mail-{update.pk}",
        digest=file_store().put(raw),
        received_at=MONDAY,
        rcpt_to="support@desk.example",
        peer="192.0.2.1",
        helo="mail.kirim.example",
        size_bytes=len(raw),
        from_email="sari@kirim.example",
        from_name="Sari",
        subject="Re: waits",
        text="Hello there\n\nAll of the text",
        state="added",
        case=case,
        update=update,
    )


def test_script_of_a_mail_is_gone_and_the_frame_runs_nothing(desk: Desk, owner: Browser) -> None:
    case = desk.opens()
    mail = add_mail(case, EVIL)
    path = f"/cases/{case.pk}/mail/{mail.pk}"
    assert f'href="{path}"' in owner.page(f"/cases/{case.pk}")
    page = owner.page(path)
    assert "All of the text" in page
    assert "alert(" not in page
    assert f'<iframe class="mail-frame" sandbox src="{path}/html"' in page
    answer = owner.get(f"{path}/html")
    policy = answer["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "frame-ancestors 'self'" in policy
    assert "allow-scripts" not in policy
    text = answer.content.decode()
    assert "<b>there</b>" in text
    for evil in ("alert", "onclick", "onload", "spy.example", "<form", "<input", "javascript:"):
        assert evil not in text, evil


@pytest.mark.parametrize(
    ("html", "most"),
    [
        pytest.param("<div>" * 50_000, 0, id="deep"),
        pytest.param("<p><b>" * 50_000, 0, id="deep and never closed"),
        pytest.param("<p>" + "x" * 3_000_000, 1_000_010, id="long"),
        pytest.param("\0<p><![CDATA[", 100, id="odd"),
    ],
)
def test_a_bomb_of_html_is_bounded(html: str, most: int) -> None:
    assert len(cleaned(html)) <= most


def test_long_mail_with_shallow_markup_is_shown() -> None:
    html = "<p>line<br>" * 5_000 + "<div>part</div>" * 5_000
    assert cleaned(html).count("part") == 5_000


def test_a_mail_of_an_internal_note_is_the_desks_alone(
    desk: Desk, owner: Browser, stranger: Browser
) -> None:
    case = desk.opens()
    secret, open_ = add_mail(case, "<p>x</p>", is_internal=True), add_mail(case, "<p>x</p>")
    assert owner.get(f"/cases/{case.pk}/mail/{secret.pk}").status_code == 404
    assert owner.get(f"/cases/{case.pk}/mail/{secret.pk}/html").status_code == 404
    assert stranger.get(f"/cases/{case.pk}/mail/{open_.pk}/html").status_code == 404
    other = desk.opens()
    assert owner.get(f"/cases/{other.pk}/mail/{open_.pk}").status_code == 404


def test_a_mail_whose_file_is_gone_shows_its_text(desk: Desk, owner: Browser) -> None:
    case = desk.opens()
    mail = add_mail(case, "<p>x</p>")
    ReceivedMail.objects.update(digest="0" * 64)
    page = owner.page(f"/cases/{case.pk}/mail/{mail.pk}")
    assert "All of the text" in page
    assert "<iframe" not in page
