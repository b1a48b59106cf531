"""A customer's case as a page: who sees it, what it says, what is done there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from merpati.accounts.models import AuditEntry
from merpati.desk import case_actions, people
from merpati.desk.models import CaseUpdate
from tests.console.conftest import Browser, Clock, add_user
from tests.desk.cases import BY, MONDAY, Desk, uk

PARTS = ("", "/export.json", "/reply", "/agree", "/record", "/record.json", "/files/1", "/mail/1")


def test_members_see_a_case_and_strangers_find_nothing(
    desk: Desk, owner: Browser, colleague: Browser, stranger: Browser
) -> None:
    case = desk.opens()
    for browser in (owner, colleague):
        assert case.subject in browser.page(f"/cases/{case.pk}")
    for part in PARTS:
        for answer in (
            stranger.get(f"/cases/{case.pk}{part}"),
            stranger.post(f"/cases/{case.pk}{part}"),
        ):
            assert answer.status_code == 404, part
            assert case.subject not in answer.content.decode()
    assert Client().get(f"/cases/{case.pk}")["Location"].startswith("/sign-in?next=%2Fcases")
    assert owner.get("/cases/999999999999999999999").status_code == 404


def test_a_viewer_reads_and_does_nothing(desk: Desk, colleague: Browser) -> None:
    case = desk.opens()
    assert "<textarea" not in colleague.page(f"/cases/{case.pk}")
    answer = colleague.post(f"/cases/{case.pk}/reply", {"text": "Hello"})
    assert answer.status_code == 403
    assert case.updates.count() == 1


def test_where_it_stands_is_said_in_the_viewers_zone(desk: Desk, owner: Browser) -> None:
    case = desk.opens()
    page = owner.page(f"/cases/{case.pk}")
    assert "Support's" in page  # whose turn
    # Four hours of London's morning, read in Jakarta.
    assert '<time datetime="2026-03-02T20:00:00+07:00" title="Mon 2 Mar 2026, 20:00' in page
    assert "Asia/Jakarta (UTC+07:00)" in page
    assert "Counted in business hours of UK: Mon 09:00-13:00." in page


def test_why_the_clock_stands_is_said(desk: Desk, owner: Browser, clock: Clock) -> None:
    case = desk.opens()
    clock.moment = uk("03-07 12:00")
    assert "while support is closed (weekend)" in owner.page(f"/cases/{case.pk}")
    clock.moment = uk("03-09 12:00")
    case_actions.ask(case.pk, "Which domain?", by=desk.budi, now=clock.moment)
    page = owner.page(f"/cases/{case.pk}")
    assert "support needs an answer of yours" in page
    assert "Yours" in page


def test_internal_notes_are_the_desks_alone(desk: Desk, owner: Browser) -> None:
    case = desk.opens()
    case_actions.note(case.pk, "Difficult one", by=desk.budi, now=MONDAY)
    case_actions.write(case.pk, "We look", by=desk.budi, now=MONDAY)
    page = owner.page(f"/cases/{case.pk}")
    assert "We look" in page
    assert "Difficult one" not in page
    assert "cli:budi" not in page


def test_a_reply_goes_in_once_with_its_files(desk: Desk, owner: Browser) -> None:
    case = desk.opens()
    form = {"text": "Here it is", "form_key": "k1"}
    for _ in range(2):  # an impatient hand
        sent = form | {"files": SimpleUploadedFile("log.txt", b"250 ok")}
        answer = owner.post(f"/cases/{case.pk}/reply", sent)
        assert answer["Location"] == f"/cases/{case.pk}"
    reply = case.updates.get(kind="message")
    assert (reply.author_email, reply.via) == (owner.user.email, f"user:{owner.user.email}")
    (file,) = reply.attachments.all()
    page = owner.page(f"/cases/{case.pk}")
    assert "Sent. Support reads it next." in page
    given = owner.get(f"/cases/{case.pk}/files/{file.pk}")
    assert given.content == b"250 ok"
    assert given["Content-Disposition"].startswith("attachment")
    assert owner.post(f"/cases/{case.pk}/reply", form | {"text": "More"}).status_code == 302
    assert case.updates.filter(kind="message").count() == 2


def test_a_refused_form_keeps_what_was_written(desk: Desk, owner: Browser) -> None:
    case = desk.opens()
    files = [SimpleUploadedFile(f"{n}.txt", b"x") for n in range(21)]
    answer = owner.post(f"/cases/{case.pk}/reply", {"text": "Kept text", "files": files})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "At most 20 files" in page
    assert ">Kept text</textarea>" in page
    assert case.updates.count() == 1


def test_agreement_takes_a_post_and_leaves_a_record(desk: Desk, owner: Browser) -> None:
    case = desk.opens()
    case_actions.propose(case.pk, "The queue is empty", by=desk.budi, now=MONDAY)
    assert owner.get(f"/cases/{case.pk}/agree")["Location"] == f"/cases/{case.pk}"
    assert "Do you agree?" in owner.page(f"/cases/{case.pk}")
    owner.post(f"/cases/{case.pk}/agree", {"form_key": "k"})
    case.refresh_from_db()
    assert case.status == "resolved"
    record = owner.page(f"/cases/{case.pk}/record")
    assert "The queue is empty" in record
    document = owner.get(f"/cases/{case.pk}/record.json").json()
    assert document["signature"]["value"] in record


def test_of_two_who_answer_at_once_the_second_is_told(desk: Desk, owner: Browser) -> None:
    case = desk.opens()
    case_actions.propose(case.pk, "Done", by=desk.budi, now=MONDAY)
    second = Browser(add_user("Dewi", desk.account, "developer"))
    owner.post(f"/cases/{case.pk}/dispute", {"text": "Not yet", "form_key": "a"})
    answer = second.post(f"/cases/{case.pk}/agree", {"text": "Fine", "form_key": "b"})
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "somebody answered or withdrew it meanwhile" in page
    assert "Not yet" in page  # what happened meanwhile
    case.refresh_from_db()
    assert case.status == "open"


def test_a_customer_proposes_and_withdraws(desk: Desk, owner: Browser) -> None:
    case = desk.opens()
    owner.post(f"/cases/{case.pk}/propose", {"text": "It works again"})
    page = owner.page(f"/cases/{case.pk}")
    assert "Withdraw the proposal" in page
    assert "Do you agree?" not in page
    owner.post(f"/cases/{case.pk}/withdraw")
    case.refresh_from_db()
    assert case.status == "open"


def test_escalation_is_offered_once_onboarding_is_complete(desk: Desk, owner: Browser) -> None:
    case = desk.opens()
    assert "Escalate to the TAM" not in owner.page(f"/cases/{case.pk}")
    refused = owner.post(f"/cases/{case.pk}/escalate", {"text": "Slow"})
    assert (refused.status_code, b"During onboarding" in refused.content) == (409, True)
    people.complete_onboarding(desk.account.pk, by=BY, now=MONDAY)
    assert "Escalate to the TAM" in owner.page(f"/cases/{case.pk}")
    owner.post(f"/cases/{case.pk}/escalate", {"text": "Too slow for us"})
    page = owner.page(f"/cases/{case.pk}")
    assert "To the Technical Account Manager, Tina" in page
    assert "Too slow for us" in page


def test_a_page_is_of_one_language_whatever_the_case_speaks(desk: Desk) -> None:
    case = desk.opens()
    case_actions.propose(case.pk, "Done", by=desk.budi, now=MONDAY)
    putri = Browser(add_user("Putri", desk.account, language="id"))
    page = putri.page(f"/cases/{case.pk}")
    assert "Apakah Anda setuju?" in page
    assert "Sen 2 Mar 2026" in page
    for english in ("Whose turn", "Support", "Next update", "Agree", "hours"):
        assert english not in page, english


@pytest.mark.parametrize("length", [1, 40])
def test_the_queries_of_a_case_do_not_grow_with_it(
    desk: Desk, owner: Browser, django_assert_num_queries: DjangoAssertNumQueries, length: int
) -> None:
    case = desk.opens()
    for n in range(length):
        at = MONDAY + timedelta(minutes=n)
        case_actions.write(case.pk, f"Message {n}", by=desk.budi if n % 2 else desk.sari, now=at)
    with django_assert_num_queries(17):
        owner.get(f"/cases/{case.pk}")


def test_a_recount_is_told(desk: Desk, owner: Browser) -> None:
    case = desk.opens()
    CaseUpdate.objects.create(
        case=case, kind="recount", at=MONDAY, side="desk", author_name="Merpati", via="clock"
    )
    assert "counted the clock anew" in owner.page(f"/cases/{case.pk}")


def test_watchers_are_added_and_removed(desk: Desk, owner: Browser) -> None:
    case = desk.opens()
    owner.post(f"/cases/{case.pk}/watch", {"text": "Dewi@kirim.example"})
    assert [contact.email for contact in case.watchers.all()] == ["dewi@kirim.example"]
    assert "dewi@kirim.example" in owner.page(f"/cases/{case.pk}")
    refused = owner.post(f"/cases/{case.pk}/watch", {"text": "no address"})
    assert refused.status_code == 422
    assert "sari@kirim.example, one a line" in refused.content.decode()
    owner.post(f"/cases/{case.pk}/watch", {"text": case.opened_by.email})
    owner.post(f"/cases/{case.pk}/unwatch", {"text": "dewi@kirim.example"})
    assert case.watchers.count() == 0
    trail = AuditEntry.objects.filter(action__in=["case_watch", "case_unwatch"])
    assert [(entry.action, entry.actor) for entry in trail] == [
        ("case_watch", f"user:{owner.user.email}"),
        ("case_unwatch", f"user:{owner.user.email}"),
    ]


def test_who_reads_along_can_be_put_back(desk: Desk, owner: Browser) -> None:
    """A12: what is reversible offers to undo it, where it says that it was done."""
    case = desk.opens()
    owner.post(f"/cases/{case.pk}/watch", {"text": "dewi@kirim.example"})
    owner.page(f"/cases/{case.pk}")
    owner.post(f"/cases/{case.pk}/unwatch", {"text": "dewi@kirim.example"})
    said = owner.page(f"/cases/{case.pk}")
    assert f'action="/cases/{case.pk}/watch"' in said.partition("Undo")[0]
    assert 'value="dewi@kirim.example"' in said.partition("Undo")[0]
    owner.post(f"/cases/{case.pk}/watch", {"text": "dewi@kirim.example"})
    assert [contact.email for contact in case.watchers.all()] == ["dewi@kirim.example"]
    owner.page(f"/cases/{case.pk}")
    owner.post(f"/cases/{case.pk}/reply", {"text": "Thank you."})
    assert "Undo" not in owner.page(f"/cases/{case.pk}")


def test_what_is_too_large_or_too_much_is_refused_before_it_is_read(
    desk: Desk, owner: Browser
) -> None:
    case = desk.opens()
    path = f"/cases/{case.pk}/reply"
    answer = owner.post(path, {"text": "x"}, CONTENT_LENGTH=str(1 << 34))
    assert (answer.status_code, b"at most 15 MB" in answer.content) == (413, True)
    files = [SimpleUploadedFile(f"{n}.txt", b"x") for n in range(1_000)]
    answer = owner.post(path, {"text": "x", "files": files})
    assert (answer.status_code, b"too many fields or files" in answer.content) == (400, True)
    assert case.updates.count() == 1
