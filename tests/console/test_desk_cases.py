"""Search over all cases, saved views, and several cases given to one person."""

from __future__ import annotations

import re

from pytest_django import DjangoAssertNumQueries

from merpati.desk.models import Case, SavedView
from tests.console.conftest import Browser
from tests.console.test_desk_queue import numbers
from tests.desk.cases import Desk, add_person


def test_cases_are_found_by_words_and_filters_of_the_address(desk: Desk, tina: Browser) -> None:
    waits, invoice = desk.opens(), desk.opens(subject="Invoice", severity="urgent")
    desk.resolved()
    assert numbers(tina.page("/desk/cases")) == [invoice.pk, waits.pk]
    assert numbers(tina.page("/desk/cases?q=invoice")) == [invoice.pk]
    assert numbers(tina.page("/desk/cases?who=me&severity=urgent")) == [invoice.pk]
    assert len(numbers(tina.page("/desk/cases?status=all"))) == 3
    page = tina.page("/desk/cases?q=nothinglikethis")
    assert "No case matches all of this." in page
    assert "Clear the filters" in page
    assert 'value="nothinglikethis"' in page


def test_a_filter_that_there_is_not_is_named(desk: Desk, budi: Browser) -> None:
    assert "Choose one of those offered." in budi.page("/desk/cases?severity=enormous")


def test_pages_lead_on_and_cost_the_same(
    desk: Desk, budi: Browser, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(26):
        desk.opens()
    with django_assert_num_queries(12):
        first = budi.page("/desk/cases?q=waits")
    (address,) = re.findall(r'href="([^"]+)" rel="next"', first)
    second = budi.page(address.replace("&amp;", "&"))
    assert (len(numbers(first)), len(numbers(second))) == (25, 1)


def test_a_search_is_kept_under_a_name(desk: Desk, budi: Browser, tina: Browser) -> None:
    desk.opens(severity="urgent")
    kept = {"name": "Urgent ones", "severity": "urgent", "shared": "yes"}
    answer = budi.post("/desk/views", kept)
    assert answer["Location"] == "/desk/cases?severity=urgent"
    assert 'href="/desk/cases?severity=urgent"' in tina.page("/desk/cases")
    view = SavedView.objects.get()
    budi.post(f"/desk/views/{view.pk}/remove")
    assert not SavedView.objects.exists()
    refused = budi.post("/desk/views", {"name": " ", "severity": "urgent", "form": "view"})
    assert refused.status_code == 422
    assert "Give the view a name" in refused.content.decode()


def test_several_cases_are_given_to_one_person(desk: Desk, budi: Browser) -> None:
    dewi = add_person("Dewi")
    cases = [desk.opens() for _ in range(2)]
    Case.objects.update(representative=desk.person)
    resolved = desk.resolved()
    ticked = [case.pk for case in (*cases, resolved)]
    answer = budi.post("/desk/cases/assign", {"case": ticked, "person": dewi.email, "who": "me"})
    assert answer["Location"] == "/desk/cases?who=me"
    assert Case.objects.filter(representative=dewi, pk__in=[c.pk for c in cases]).count() == 2
    page = budi.page("/desk/cases")
    assert "2 cases assigned." in page
    assert f"#{resolved.pk}: Both sides agreed" in page
    refused = budi.post("/desk/cases/assign", {"person": dewi.email})
    assert refused.status_code == 422
    assert "Tick the cases first." in refused.content.decode()
