"""What helps to write and to look: drafts with who is at it, and saved views."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from merpati.desk import drafts
from merpati.desk.calendars import hours_of_all_zones
from merpati.desk.case_errors import InvalidCase
from merpati.desk.saved_views import MOST_VIEWS, remove_view, save_view, views_of
from merpati.desk.view_filters import checked_filters, wanted_by
from tests.desk.cases import BY, MONDAY, Desk, add_person, uk

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_draft_is_kept_for_its_person_and_case(desk: Desk) -> None:
    case, other, dewi = desk.opens(), desk.opens(), add_person("Dewi")
    drafts.save_draft(desk.person, case, "Dear", MONDAY)
    drafts.save_draft(desk.person, case, "Dear Sari,\r\n", MONDAY)
    found = drafts.drafts_of(case)
    assert drafts.own_text(found, desk.person) == "Dear Sari,\n"
    assert drafts.own_text(found, dewi) == drafts.own_text(drafts.drafts_of(other), dewi) == ""
    drafts.save_draft(desk.person, case, "  ", MONDAY)
    assert drafts.drafts_of(case) == []


def test_who_wrote_within_two_minutes_is_seen_by_the_others(desk: Desk) -> None:
    case, dewi = desk.opens(), add_person("Dewi")
    drafts.save_draft(desk.person, case, "Dear", MONDAY)
    found = drafts.drafts_of(case)
    assert drafts.others_writing(found, dewi, MONDAY + timedelta(minutes=2)) == ["Budi"]
    assert drafts.others_writing(found, dewi, MONDAY + timedelta(minutes=2, seconds=1)) == []
    assert drafts.others_writing(found, desk.person, MONDAY) == []


def test_filters_mean_cases(desk: Desk) -> None:
    late = desk.opens(severity="urgent")
    today = desk.opens(now=uk("03-02 11:00"))
    later = desk.opens(severity="low", now=uk("03-02 11:00"))
    resolved = desk.resolved()
    now, hours = uk("03-02 12:00"), hours_of_all_zones()

    def found(**filters: str) -> set[int]:
        wanted = wanted_by(checked_filters(filters), desk.person.email, hours, now)
        return {case.pk for case in wanted.page(10)}

    going_on = {late.pk, today.pk, later.pk}
    assert found() == found(who="me") == going_on
    assert found(status="all") == going_on | {resolved.pk}
    assert found(status="resolved") == {resolved.pk}
    assert found(due="late") == {late.pk}
    assert found(due="window") == {late.pk, today.pk}
    assert found(who="nobody") == found(who="dewi@desk.example") == set()
    assert found(severity="low", q="waits") == {later.pk}
    assert found(account=str(desk.account.pk), kind="platform_problem") == going_on


@pytest.mark.parametrize("name", ["kind", "severity", "status", "due", "escalated", "account"])
def test_a_filter_that_there_is_not_is_named(name: str) -> None:
    with pytest.raises(InvalidCase) as refused:
        checked_filters({name: "x"})
    assert refused.value.field == name
    assert checked_filters({name: " ", "cursor": "x"}) == {}


def test_views_are_ones_own_or_everybodys(desk: Desk) -> None:
    dewi = add_person("Dewi")
    save_view("Mine", {"who": "me"}, by=desk.person, via=BY, now=MONDAY)
    shared = save_view("Late", {"due": "late"}, by=dewi, is_shared=True, via=BY, now=MONDAY)
    save_view("Mine", {"who": "nobody"}, by=desk.person, via=BY, now=MONDAY)
    assert [(v.name, v.filters) for v in views_of(desk.person)] == [
        ("Mine", {"who": "nobody"}),
        ("Late", {"due": "late"}),
    ]
    assert views_of(dewi) == views_of(None) == [shared]
    with pytest.raises(InvalidCase, match="no such saved view"):
        remove_view(views_of(desk.person)[0].pk, by=dewi, via=BY, now=MONDAY)
    remove_view(shared.pk, by=desk.person, via=BY, now=MONDAY)
    assert len(views_of(desk.person)) == 1


def test_nobody_drowns_in_views(desk: Desk) -> None:
    for number in range(MOST_VIEWS):
        save_view(str(number), {}, by=desk.person, via=BY, now=MONDAY)
    save_view("0", {"who": "me"}, by=desk.person, via=BY, now=MONDAY)
    with pytest.raises(InvalidCase, match="remove one"):
        save_view("more", {}, by=desk.person, via=BY, now=MONDAY)
