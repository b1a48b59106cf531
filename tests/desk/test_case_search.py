"""Cases found by words and filters, page by page, with a number of queries that is held."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import DjangoAssertNumQueries

from merpati.desk import case_actions
from merpati.desk.case_search import Place, Wanted
from merpati.desk.models import Case
from tests.desk.cases import MONDAY, Desk, add_person, uk
from tests.support.control import make_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def found(words: str, **filters: object) -> list[int]:
    return [case.pk for case in Wanted(words=words, **filters).page(10)]  # type: ignore[arg-type]


def test_a_case_is_found_by_all_that_is_said_of_it(desk: Desk) -> None:
    links = [("domain", "penerima.example")]
    case = desk.opens(subject="Undeliverable invoices", links=links)
    desk.opens(subject="Something else", text="Nothing of that.")
    case_actions.write(case.pk, "Their postmaster answers on Mondays.", by=desk.budi, now=MONDAY)
    for words in (
        *("invoices", "INVOICES undeliverable", "inv* undeliv*", "postmaster invoices"),
        *("penerima.example", f"#{case.pk} invoices", "Mondays budi"),
    ):
        assert found(words) == [case.pk], words
    assert found("invoices nothing") == []
    assert found("inv") == []
    assert found("?!") == []
    assert len(found("sari@kirim.example")) == 2


def test_words_and_filters_narrow_each_other(desk: Desk) -> None:
    theirs = Desk(desk.folder, make_account("Another"), desk.person)
    mine, other = desk.opens(), theirs.opens()
    asked = desk.opens(severity="high")
    assert found("waits") == [asked.pk, other.pk, mine.pk]
    assert found("waits", account_id=desk.account.pk) == [asked.pk, mine.pk]
    assert found("waits", severity="high") == [asked.pk]
    Case.objects.filter(pk=other.pk).update(representative=None)
    assert found("waits", is_unassigned=True) == found("", is_unassigned=True) == [other.pk]
    assert found("waits", representative=desk.person.email) == [asked.pk, mine.pk]


def test_a_customers_search_reads_no_internal_notes(desk: Desk) -> None:
    case = desk.opens()
    case_actions.note(case.pk, "They pay late.", by=desk.budi, now=MONDAY)
    assert found("late") == [case.pk]
    assert found("late", account_id=desk.account.pk, is_visible=True) == []
    assert found("waits", account_id=desk.account.pk, is_visible=True) == [case.pk]


def test_pages_of_found_cases_follow_each_other_without_gap(
    desk: Desk, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    cases = [desk.opens() for _ in range(5)]
    for case in cases[:3]:
        for _ in range(3):  # several entries of one case are one find
            case_actions.write(case.pk, "It waits still.", by=desk.budi, now=MONDAY)
    wanted = Wanted(words="waits")
    with django_assert_num_queries(2):
        first = wanted.page(2)
    second = wanted.page(2, before=first[-1].pk)
    third = wanted.page(2, before=second[-1].pk)
    assert [c.pk for c in (*first, *second, *third)] == [c.pk for c in reversed(cases)]


def test_the_queue_goes_on_page_by_page_into_those_that_stand(desk: Desk) -> None:
    for hour in (9, 11, 10):
        desk.opens(now=uk(f"03-02 {hour:02}:00"))
    twin = desk.opens(now=uk("03-02 10:00"))
    for case in (desk.opens(), desk.opens()):
        case_actions.ask(case.pk, "Which?", by=desk.budi, now=MONDAY)
    wanted = Wanted(is_resolved=False)
    whole = [case.pk for case in wanted.queue(10)]
    assert len(whole) == 6
    assert whole.index(twin.pk) == 2
    place, pages = None, []
    while page := wanted.queue(1, place):
        pages += [case.pk for case in page]
        place = Place(page[-1].due_at, page[-1].pk)
    assert pages == whole


def test_what_falls_due_is_asked_zone_by_zone(desk: Desk) -> None:
    first, second = desk.opens(), desk.opens(now=uk("03-02 12:00"))
    desk.resolved()
    assert first.due_at is not None
    due = Wanted(due_by={"uk": first.due_at})
    assert [case.pk for case in due.page(10)] == [first.pk]
    assert [case.pk for case in Wanted(due_by={"us-eastern": uk("03-09 00:00")}).page(10)] == []
    both = Wanted(due_by={"uk": uk("03-09 00:00")}, is_resolved=False)
    assert [case.pk for case in both.queue(10)] == [first.pk, second.pk]


def test_escalated_cases_are_a_filter(desk: Desk) -> None:
    from merpati.desk import people  # noqa: PLC0415 - beside its use

    case, _ = desk.opens(), desk.opens()
    people.assign_tam(desk.account.pk, add_person("Tari", "tam").email, by="t", now=MONDAY)
    people.complete_onboarding(desk.account.pk, by="t", now=MONDAY)
    case_actions.escalate(case.pk, "Too slow.", by=desk.sari, now=MONDAY)
    assert [c.pk for c in Wanted(is_escalated=True).page(10)] == [case.pk]
