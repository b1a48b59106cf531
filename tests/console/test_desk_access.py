"""The desk's pages are the staff's: customers find nothing there, in whatever role."""

from __future__ import annotations

import pytest
from django.test import Client

from merpati.desk.models import Case, CaseUpdate
from tests.console.conftest import Browser, add_user
from tests.desk.cases import Desk

PAGES = (
    *("/desk", "/desk?who=nobody", "/desk?who=all", "/desk/cases", "/desk/cases?q=waits"),
    *("/desk/cases/{case}", "/desk/cases/{case}/writing", "/desk/cases/{case}/export.json"),
    *("/desk/accounts", "/desk/accounts/{account}", "/desk/accounts/{account}/call-back"),
    *(
        "/desk/people",
        "/desk/calendars/uk",
        "/desk/calendars/us-pacific",
        "/desk/answers",
        "/desk/mail",
    ),
    *("/desk/reports/service", "/desk/reports/service?account={account}&month=2026-03"),
    "/desk/reports/service.csv?account={account}&month=2026-03",
)
FORMS = (
    *("/desk/cases/assign", "/desk/views", "/desk/views/1/remove", "/desk/cases/{case}/write"),
    *("/desk/cases/{case}/draft", "/desk/cases/{case}/merge", "/desk/cases/{case}/agree"),
    *("/desk/accounts/{account}/tam", "/desk/accounts/{account}/onboarding"),
    *("/desk/accounts/{account}/call", "/desk/people/absences", "/desk/calendars/uk/overrides"),
    *("/desk/calendars/uk/confirm", "/desk/answers/save", "/desk/answers/1/remove"),
)


def paths(desk: Desk, templates: tuple[str, ...]) -> list[str]:
    case = Case.objects.first() or desk.opens()
    return [path.format(case=case.pk, account=desk.account.pk) for path in templates]


def test_every_page_is_there_for_the_staff_in_both_languages(
    desk: Desk, budi: Browser, boss: Browser
) -> None:
    desk.opens(links=[("domain", "penerima.example")])
    indonesian = Browser(add_user("Rini", language="id", staff_role="representative"))
    for path in paths(desk, PAGES):
        for browser in (budi, boss, indonesian):
            answer = browser.get(path)
            assert answer.status_code == 200, path
            text = answer.content.decode()
            assert not [sign for sign in (" style=", "<script>", "{#", "{%") if sign in text]


@pytest.mark.parametrize("who", ["owner", "colleague", "stranger"])
def test_customers_find_nothing(desk: Desk, who: str, request: pytest.FixtureRequest) -> None:
    browser = request.getfixturevalue(who)
    before = desk.opens() and CaseUpdate.objects.count()
    for path in paths(desk, PAGES):
        assert browser.get(path).status_code == 404, path
    for path in paths(desk, FORMS):
        assert browser.post(path, {"text": "x"}).status_code == 404, path
    assert CaseUpdate.objects.count() == before


def test_who_is_not_signed_in_is_led_to_sign_in(desk: Desk) -> None:
    for path in paths(desk, PAGES):
        assert Client().get(path)["Location"].startswith("/sign-in?next="), path


def test_a_look_does_nothing(desk: Desk, budi: Browser) -> None:
    """What acts takes a POST: a link that somebody opens changes nothing."""
    for path in paths(desk, FORMS):
        assert budi.get(path).status_code == 405, path


def test_an_administrator_who_is_no_person_reads_and_does_not_act(
    desk: Desk, boss: Browser
) -> None:
    case = desk.opens()
    assert "<textarea" not in boss.page(f"/desk/cases/{case.pk}")
    answer = boss.post(f"/desk/cases/{case.pk}/write", {"text": "x", "act": "note", "seen": "9"})
    assert answer.status_code == 403
    assert case.updates.count() == 1


def test_what_is_not_there_is_not_found(desk: Desk, budi: Browser) -> None:
    for path in ("/desk/cases/99", "/desk/accounts/99", "/desk/calendars/mars", "/desk/answers/9"):
        assert budi.get(path).status_code == 404, path
    assert budi.post(f"/desk/cases/{desk.opens().pk}/explode").status_code == 404
