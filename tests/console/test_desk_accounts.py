"""Accounts, people, call-backs, calendars, reports and answers: the desk's other pages."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from pytest_django import DjangoAssertNumQueries

from merpati.accounts.models import User
from merpati.desk import case_actions
from merpati.desk.call_back_booking import coming
from merpati.desk.models import (
    Absence,
    Call,
    CallBack,
    CannedAnswer,
    DatedOverride,
    Onboarding,
    TamAssignment,
)
from tests.console.conftest import Browser, Clock
from tests.desk.cases import MONDAY, Desk, add_person, uk


def post(browser: Browser, path: str, status: int = 302, **form: Any) -> str:
    answer = browser.post(path, form)
    assert answer.status_code == status, answer
    return answer.content.decode()


def test_an_account_shows_what_the_desk_has_to_know(
    desk: Desk, tina: Browser, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        desk.opens()
    with django_assert_num_queries(22):
        page = tina.page(f"/desk/accounts/{desk.account.pk}")
    for text in ("Order form", "UK", "Tina, +44 20 7946 0000", "reachable now, until"):
        assert text in page
    assert "sari@kirim.example" in page
    assert "Not complete: the TAM is the contact." in page


def test_a_tam_looks_after_accounts_and_a_representative_does_not(
    desk: Desk, tina: Browser, budi: Browser
) -> None:
    base = f"/desk/accounts/{desk.account.pk}"
    add_person("Toni", "tam")
    for name, form in (("tam", {"tam": "toni@desk.example"}), ("onboarding", {})):
        assert budi.post(f"{base}/{name}", form).status_code == 403
        post(tina, f"{base}/{name}", **form)
    assert TamAssignment.objects.get(ended_at=None).tam.name == "Toni"
    assert Onboarding.objects.exists()
    page = tina.page(base)
    assert "Earlier" in page
    assert "The TAM is the escalation point." in page
    assert "completed before" in post(tina, f"{base}/onboarding", 409)
    refused = post(tina, f"{base}/tam", 422, tam="budi@desk.example")
    assert "has the role of a TAM" in refused


def test_a_call_of_an_account_is_logged_and_kept_when_refused(
    desk: Desk, budi: Browser, clock: Clock
) -> None:
    base = f"/desk/accounts/{desk.account.pk}"
    clock.moment = MONDAY + timedelta(hours=1)
    form = {"spoke_with": "Sari", "minutes": "10", "text": "About the plan.", "form": "call"}
    post(budi, f"{base}/call", began_at="2026-03-02T09:30", **form)
    assert Call.objects.get().text == "About the plan."
    assert "spoke with Sari" in budi.page(base)
    page = post(budi, f"{base}/call", 422, began_at="", **form)
    assert "Say when the call began" in page
    assert ">About the plan.</textarea>" in page


def test_a_call_back_is_booked_moved_and_cancelled(desk: Desk, budi: Browser) -> None:
    case = desk.opens()
    path = f"/desk/accounts/{desk.account.pk}/call-back"
    page = budi.page(f"{path}?case={case.pk}&person={desk.person.pk}")
    slots = re.findall(r'name="starts_at" value="([^"]+)"', page)
    assert slots[0].startswith("2026-03-02T09:30")
    form = {
        "person": desk.person.pk,
        "contact": case.opened_by_id,
        "phone": "+62 21 5550 100",
        "topic": "Warm-up",
        "starts_at": slots[0],
        "case": case.pk,
    }
    post(budi, path, **form)
    (booked,) = coming(MONDAY, case=case)
    assert "Budi calls Sari" in budi.page(f"/desk/cases/{case.pk}")
    page = post(budi, path, 422, **form)
    assert "This time is not free any more" in page
    assert 'value="+62 21 5550 100"' in page
    move = f"/desk/call-backs/{booked.pk}/move"
    assert "Move a call" in budi.page(move)
    post(budi, move, starts_at=slots[1])
    assert coming(MONDAY)[0].starts_at == uk("03-02 10:00")
    cancel = f"/desk/call-backs/{booked.pk}/cancel"
    assert budi.get(cancel).status_code == 405
    post(budi, cancel)
    assert coming(MONDAY) == []
    assert "was cancelled, or its time has come" in post(budi, cancel, 422)
    for wrong, words in (("phone", "with its country"), ("contact", "who calls whom")):
        assert words in post(budi, path, 422, **(form | {wrong: "x"}))
    assert CallBack.objects.count() == 1


def test_absences_are_ones_own_or_recorded_by_who_keeps_hours(
    desk: Desk, budi: Browser, tina: Browser
) -> None:
    form = {"starts_on": "2026-03-09", "ends_on": "2026-03-10", "reason": "leave"}
    path = "/desk/people/absences"
    assert budi.post(path, form | {"person": "tina@desk.example"}).status_code == 403
    post(budi, path, person="budi@desk.example", **form)
    post(tina, path, person="budi@desk.example", **form)
    assert Absence.objects.count() == 2
    assert "9 Mar" in tina.page("/desk/people")
    wrong = form | {"ends_on": "2026-03-01", "person": "tina@desk.example"}
    page = post(tina, path, 422, **wrong)
    assert "The last day is not before the first." in page
    assert 'value="2026-03-01"' in page


def test_an_override_that_closes_before_it_opens_is_refused_by_its_field(
    desk: Desk, tina: Browser, budi: Browser
) -> None:
    """Issue 4, bad input: the error says how hours are written, and keeps what was typed."""
    path = "/desk/calendars/uk/overrides"
    form = {"day": "2026-03-03", "hours": "17:00-09:00", "reason": "Move", "form": "override"}
    page = post(tina, path, 422, **form)
    assert "Each closes after it opens" in page
    assert 'value="17:00-09:00"' in page
    assert not DatedOverride.objects.exists()
    assert budi.post(path, form).status_code == 403


def test_a_day_kept_otherwise_moves_running_clocks(desk: Desk, tina: Browser, clock: Clock) -> None:
    case = desk.opens()
    form = {"day": "2026-03-02", "hours": "08:30-10:00, 14:00-16:30", "reason": "Move"}
    post(tina, "/desk/calendars/uk/overrides", **form)
    case.refresh_from_db()
    assert case.due_at == uk("03-03 09:00")
    page = tina.page("/desk/calendars/uk")
    assert "08:30-10:00, 14:00-16:30" in page
    assert "user:tina@desk.example" in page
    again = post(tina, "/desk/calendars/uk/overrides", 422, **form)
    assert "tick the box" in again
    post(tina, "/desk/calendars/uk/overrides", **(form | {"hours": "", "replace": "yes"}))
    assert DatedOverride.objects.get().windows == []
    post(tina, "/desk/calendars/uk/overrides/remove", day="2026-03-02")
    case.refresh_from_db()
    assert case.due_at == MONDAY + timedelta(hours=4)


def test_bank_holidays_are_confirmed_by_who_keeps_hours(
    desk: Desk, tina: Browser, budi: Browser
) -> None:
    assert "Not confirmed" in tina.page("/desk/calendars/uk")
    path = "/desk/calendars/uk/confirm"
    assert budi.post(path, {"year": "2026"}).status_code == 403
    post(tina, path, year="2026")
    page = tina.page("/desk/calendars/uk")
    assert "Good Friday" in page
    assert "Confirmed" in page
    assert "confirmed this year already" in post(tina, path, 422, year="2026")
    assert "No bank holidays are known" in post(tina, path, 409, year="1850")


def test_a_report_is_a_page_and_a_table(desk: Desk, tina: Browser, clock: Clock) -> None:
    case = desk.opens()
    case_actions.write(case.pk, "We look.", by=desk.budi, now=MONDAY)
    clock.moment = uk("03-20 10:00")
    address = f"account={desk.account.pk}&month=2026-03"
    page = tina.page(f"/desk/reports/service?{address}")
    assert "1 on time, 0 late" in page
    assert "2026-02" in page
    answer = tina.get(f"/desk/reports/service.csv?{address}")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.content.decode().splitlines()[1].startswith(f"{case.pk},Mail to Penerima waits")
    for month in ("2027-01", "march"):
        page = tina.page(f"/desk/reports/service?account={desk.account.pk}&month={month}", 422)
        assert "Choose a month that has begun" in page
    assert tina.get("/desk/reports/service.csv?account=99&month=2026-03").status_code == 404


def test_canned_answers_are_written_changed_and_removed(desk: Desk, budi: Browser) -> None:
    form = {"name": "Bye", "text_en": "Bye {{customer}}", "text_id": "Salam {{customer}}"}
    post(budi, "/desk/answers/save", **form)
    answer = CannedAnswer.objects.get()
    assert "Bye {{customer}}</textarea>" in budi.page(f"/desk/answers/{answer.pk}")
    wrong = form | {"text_id": "Salam {{pelanggan}}"}
    page = post(budi, f"/desk/answers/{answer.pk}/save", 422, **wrong)
    assert "pelanggan" in page
    assert "Salam {{pelanggan}}</textarea>" in page
    User.objects.filter(pk=budi.user.pk).update(language="id")
    assert "{{pelanggan}} tidak dikenal" in post(budi, "/desk/answers/save", 422, **wrong)
    unread = form | {"text_id": "Salam\n{{customer"}
    assert "Baris 2 tidak dapat diisi" in post(budi, "/desk/answers/save", 422, **unread)
    User.objects.filter(pk=budi.user.pk).update(language="en")
    assert "no other answer has" in post(budi, "/desk/answers/save", 422, **form)
    post(budi, f"/desk/answers/{answer.pk}/remove")
    assert not CannedAnswer.objects.exists()


def test_the_accounts_are_listed_with_their_tam(desk: Desk, budi: Browser) -> None:
    page = budi.page("/desk/accounts")
    assert desk.account.name in page
    assert "Tina" in page
