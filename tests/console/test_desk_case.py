"""A case as the desk's page: what is written, done and kept, and two who act at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import DjangoAssertNumQueries

from merpati.desk import case_actions, drafts, people
from merpati.desk.canned_answers import save_answer
from merpati.desk.models import Case, Draft
from tests.console.conftest import Browser, Clock
from tests.desk.cases import BY, MONDAY, Desk, add_person


def post(browser: Browser, case: Case, name: str, status: int = 302, **form: Any) -> str:
    answer = browser.post(f"/desk/cases/{case.pk}/{name}", form)
    assert answer.status_code == status, answer
    return answer.content.decode()


def write(browser: Browser, case: Case, act: str, text: str, status: int = 302, **form: Any) -> str:
    seen = form.pop("seen", case.updates.order_by("-id")[0].pk)
    return post(browser, case, "write", status, act=act, text=text, seen=seen, **form)


def kinds(case: Case) -> list[str]:
    return list(case.updates.order_by("id").values_list("kind", flat=True))


def test_internal_notes_and_how_people_came_are_shown_to_the_desk(
    desk: Desk, budi: Browser
) -> None:
    case = desk.opens(links=[("domain", "penerima.example")])
    case_actions.note(case.pk, "Difficult one", by=desk.budi, now=MONDAY)
    page = budi.page(f"/desk/cases/{case.pk}")
    for text in ("Difficult one", "Internal", "penerima.example", "Evidence"):
        assert text in page
    assert "By API, with the key 1f3a" in page
    assert "By command, as budi" in page
    assert "Sent now, the next update is due" in page


@pytest.mark.parametrize(
    ("act", "kind", "is_internal", "status"),
    [
        ("message", "message", False, "open"),
        ("request_for_information", "request_for_information", False, "waiting_for_customer"),
        ("progress_update", "progress_update", False, "open"),
        ("proposal", "proposal", False, "proposed"),
        ("note", "note", True, "open"),
    ],
)
def test_one_field_writes_whatever_is_chosen(
    desk: Desk, budi: Browser, act: str, kind: str, is_internal: bool, status: str
) -> None:
    case = desk.opens()
    file = SimpleUploadedFile("log.txt", b"250 ok")
    write(budi, case, act, "Words", files=file)
    case.refresh_from_db()
    entry = case.updates.order_by("-id")[0]
    assert (entry.kind, entry.text, entry.is_internal) == (kind, "Words", is_internal)
    assert (entry.via, entry.author_name, case.status) == (
        f"user:{budi.user.email}",
        "Budi",
        status,
    )
    (found,) = entry.attachments.all()
    answer = budi.get(f"/desk/cases/{case.pk}/files/{found.pk}")
    assert answer["Content-Disposition"].startswith("attachment")


def test_an_impatient_hand_sends_once(desk: Desk, budi: Browser) -> None:
    case = desk.opens()
    seen = case.updates.get().pk
    for _ in range(2):
        write(budi, case, "message", "Once", form_key="k", seen=seen)
    assert kinds(case) == ["opened", "message"]


def test_who_answers_after_somebody_else_did_is_asked_and_keeps_their_text(
    desk: Desk, budi: Browser, tina: Browser
) -> None:
    """Two people act at once: the second sees what is new before anything is sent."""
    case = desk.opens()
    seen = case.updates.get().pk
    write(tina, case, "message", "It is done.")
    page = write(budi, case, "proposal", "We cannot do it.", 409, seen=seen, form_key="k")
    assert "Tina wrote or did something here meanwhile" in page
    assert "It is done." in page
    assert ">We cannot do it.</textarea>" in page
    assert 'value="proposal" checked' in page
    assert kinds(case) == ["opened", "message"]
    write(budi, case, "message", "We cannot do it.", form_key="k2")
    assert kinds(case) == ["opened", "message", "message"]


def test_what_the_state_does_not_allow_is_said_and_the_text_kept(desk: Desk, budi: Browser) -> None:
    case = desk.opens()
    case_actions.propose(case.pk, "Done.", by=desk.budi, now=MONDAY)
    page = write(budi, case, "request_for_information", "Which?", 409)
    assert "A resolution is proposed already" in page
    assert ">Which?</textarea>" in page
    page = write(budi, case, "message", "  ", 422)
    assert "Nothing was changed" in page
    page = write(budi, case, "", "Words", 422)
    assert "Choose one of those offered." in page
    assert kinds(case) == ["opened", "proposal"]


def test_a_draft_survives_a_reload_and_others_see_who_writes(
    desk: Desk, budi: Browser, tina: Browser, clock: Clock
) -> None:
    case = desk.opens()
    answer = budi.post(f"/desk/cases/{case.pk}/draft", {"text": "Dear Sari,"})
    assert (answer.status_code, answer.content.strip()) == (200, b"")
    assert ">Dear Sari,</textarea>" in budi.page(f"/desk/cases/{case.pk}")
    page = tina.page(f"/desk/cases/{case.pk}")
    assert "Budi is writing in this case too." in page
    assert "Dear Sari," not in page
    assert "Budi is writing" in tina.page(f"/desk/cases/{case.pk}/writing")
    clock.moment += timedelta(minutes=3)
    assert "Budi is writing" not in tina.page(f"/desk/cases/{case.pk}/writing")
    write(budi, case, "message", "Dear Sari, it is done.")
    assert not Draft.objects.exists()


def test_a_canned_answer_goes_below_what_was_typed(desk: Desk, budi: Browser) -> None:
    case = desk.opens(language="id")
    answer = save_answer("Bye", "Regards, {{me}}", "Salam, {{me}}", by=BY, now=MONDAY)
    page = write(budi, case, "note", "Halo.", 200, insert="yes", answer=answer.pk)
    assert ">Halo.\n\nSalam, Budi</textarea>" in page
    assert 'value="note" checked' in page
    assert kinds(case) == ["opened"]
    assert drafts.own_text(drafts.drafts_of(case), desk.person) == "Halo.\n\nSalam, Budi"
    page = write(budi, case, "note", "Halo.", 422, insert="yes", answer=99)
    assert "removed meanwhile" in page
    assert ">Halo.</textarea>" in page


def test_a_customers_proposal_is_agreed_or_disputed(desk: Desk, budi: Browser) -> None:
    case = desk.opens()
    for name, status in (("dispute", "open"), ("agree", "resolved")):
        case_actions.propose(case.pk, "It works.", by=desk.sari, now=MONDAY)
        assert "The customer proposed" in budi.page(f"/desk/cases/{case.pk}")
        post(budi, case, name, text="Because.")
        case.refresh_from_db()
        assert case.status == status
    assert case.record.document["record"]["steps"][-1]["name"] == "Budi"
    page = budi.page(f"/desk/cases/{case.pk}")
    assert 'value="message"' not in page  # resolved: notes alone
    assert 'value="note" checked' in page


def test_assign_out_of_scope_withdraw_and_escalate(desk: Desk, budi: Browser) -> None:
    case = desk.opens()
    dewi = add_person("Dewi")
    post(budi, case, "assign", person=dewi.email)
    post(budi, case, "out-of-scope", topic="templates", text="Regards")
    case_actions.propose(case.pk, "Done.", by=desk.budi, now=MONDAY)
    post(budi, case, "withdraw")
    assert "No Technical" not in budi.page(f"/desk/cases/{case.pk}")
    page = post(budi, case, "escalate", 409, text="Too slow.")
    assert "Escalation opens once onboarding is complete" in page
    people.complete_onboarding(desk.account.pk, by=BY, now=MONDAY)
    post(budi, case, "escalate", text="Too slow.")
    assert kinds(case) == [
        *("opened", "assignment", "out_of_scope", "proposal", "withdrawal", "escalation")
    ]
    assert Case.objects.get(pk=case.pk).representative == dewi
    assert "Nobody of the desk" in post(budi, case, "assign", 422, person="x@desk.example")
    assert "Choose one of those" in post(budi, case, "out-of-scope", 422, topic="x")


def test_merge_split_and_link_from_the_page(desk: Desk, budi: Browser) -> None:
    case, other, third = desk.opens(), desk.opens(), desk.opens()
    post(budi, case, "link", number=f"#{third.pk}")
    entry = case.updates.get(kind="opened")
    post(budi, case, "split", entry=entry.pk, subject="Apart")
    post(budi, case, "merge", number=other.pk)
    case.refresh_from_db()
    assert (case.status, case.merged_into) == ("merged", other)
    page = budi.page(f"/desk/cases/{case.pk}")
    assert f'href="/desk/cases/{other.pk}">Go there' in page
    assert "Apart" in page
    assert f'href="/desk/cases/{case.pk}"' in budi.page(f"/desk/cases/{other.pk}")
    assert "Write the number of a case." in post(budi, other, "link", 422, number="seven")
    assert "There is no case 99" in post(budi, other, "merge", 422, number="99")


def test_a_call_is_logged_by_the_viewers_clock(desk: Desk, budi: Browser, clock: Clock) -> None:
    case = desk.opens()
    clock.moment = MONDAY + timedelta(hours=1)
    call = {"spoke_with": "Sari", "minutes": "10", "text": "She sees it."}
    post(budi, case, "call", began_at="2026-03-02T09:30", **call)
    (logged,) = case.calls.all()
    assert logged.began_at == MONDAY + timedelta(minutes=30)
    page = post(budi, case, "call", 422, began_at="2026-03-02T11:30", **call)
    assert "logged when it is over" in page
    assert 'value="2026-03-02T11:30"' in page


def test_a_case_costs_a_fixed_number_of_queries(
    desk: Desk, budi: Browser, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    case = desk.opens(links=[("domain", "penerima.example")])
    save_answer("Bye", "Regards", "Salam", by=BY, now=MONDAY)
    for _ in range(2):
        with django_assert_num_queries(24):
            budi.page(f"/desk/cases/{case.pk}")
        for _ in range(10):
            case_actions.write(case.pk, "More.", by=desk.budi, now=MONDAY)
            case_actions.write(case.pk, "More?", by=desk.sari, now=MONDAY)


def test_an_export_holds_what_only_the_desk_knows(desk: Desk, budi: Browser) -> None:
    case = desk.opens()
    case_actions.note(case.pk, "Difficult one", by=desk.budi, now=MONDAY)
    answer = budi.get(f"/desk/cases/{case.pk}/export.json")
    assert answer["Content-Disposition"] == f'attachment; filename="case-{case.pk}-desk.json"'
    assert answer.json()["case"]["timeline"][-1]["text"] == "Difficult one"


def test_a_case_is_sorted_and_both_sides_read_it(desk: Desk, budi: Browser, owner: Browser) -> None:
    case = desk.opens()
    assert "It came by email" not in budi.page(f"/desk/cases/{case.pk}")
    post(budi, case, "sort", kind="configuration_request", severity="high")
    for browser, path in ((budi, f"/desk/cases/{case.pk}"), (owner, f"/cases/{case.pk}")):
        page = browser.page(path)
        assert "sorted the case" in page
        assert "Configuration request, High" in page
    post(budi, case, "sort", 422, kind="configuration_request", severity="now")
