"""The queue: what falls due in this window, how much business time is left, why a clock stands."""

from __future__ import annotations

import re

from pytest_django import DjangoAssertNumQueries

from merpati.desk import call_back_booking as booking
from merpati.desk import case_actions
from merpati.desk.models import Case
from tests.console.conftest import Browser, Clock
from tests.desk.cases import BY, MONDAY, Desk, uk


def numbers(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'href="/desk/cases/(\d+)" data-open', page)]


def test_the_queue_is_in_the_order_in_which_it_falls_due(
    desk: Desk, budi: Browser, clock: Clock
) -> None:
    later, window = desk.opens(severity="low"), desk.opens()
    late, asked = desk.opens(severity="urgent"), desk.opens()
    case_actions.ask(asked.pk, "Which?", by=desk.budi, now=MONDAY)
    clock.moment = uk("03-02 12:00")
    page = budi.page("/desk?who=all")
    assert numbers(page) == [late.pk, window.pk, later.pk, asked.pk]
    words = re.sub(r"<[^>]+>", "", page)
    told = [
        *("Late", "late by 2 hours", "Due before the desk closes next", "1 hour left"),
        *("Due later", "5 hours left", "The clock stands", "stands: the customer's turn"),
    ]
    places = [words.replace("&#x27;", "'").index(text) for text in told]
    assert places == sorted(places)
    assert "open until" in page


def test_ones_own_are_shown_first_and_what_is_nobodys_apart(desk: Desk, tina: Browser) -> None:
    mine, nobodys = desk.opens(), desk.opens()  # during onboarding they are the TAM's
    Case.objects.filter(pk=nobodys.pk).update(representative=None)
    assert numbers(tina.page("/desk")) == [mine.pk]
    assert numbers(tina.page("/desk?who=nobody")) == [nobodys.pk]
    desk.resolved()
    assert len(numbers(tina.page("/desk?who=all"))) == 2


def test_an_empty_queue_says_so(desk: Desk, budi: Browser) -> None:
    assert "No open case is yours" in budi.page("/desk")
    assert "Every open case has somebody" in budi.page("/desk?who=nobody")


def test_pages_of_the_queue_follow_each_other_at_a_fixed_cost(
    desk: Desk, tina: Browser, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    cases = [desk.opens() for _ in range(3)]
    for _ in range(24):
        Case.objects.create(
            **{
                name: getattr(cases[0], name)
                for name in (
                    *("account", "kind", "severity", "language", "subject", "opened_by"),
                    *("representative", "opened_at", "changed_at", "first_answer_due_at"),
                    *("clock_started_at", "due_at", "remind_at"),
                )
            }
        )
    with django_assert_num_queries(14):
        first = tina.page("/desk")
    assert len(numbers(first)) == 25
    (address,) = re.findall(r'href="([^"]+)" rel="next"', first)
    second = tina.page(address.replace("&amp;", "&"))
    assert len(numbers(second)) == 2
    assert not {*numbers(first)} & {*numbers(second)}
    assert tina.get("/desk?after=nonsense").status_code == 200


def test_calls_to_come_and_years_to_confirm_are_told(desk: Desk, budi: Browser) -> None:
    case = desk.opens()
    wanted = booking.WantedCall(
        desk.person, case.opened_by, "+62 21 5550 100", "Warm-up", uk("03-02 10:00"), case.pk
    )
    booking.book(desk.account, wanted, by=BY, now=MONDAY)
    page = budi.page("/desk")
    assert "Budi calls Sari at +62 21 5550 100" in page
    assert "UK 2026" in page
