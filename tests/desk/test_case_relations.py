"""Cases merged, split and linked: history, clocks, contacts, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from merpati.desk import case_actions, case_relations
from merpati.desk.case_document import for_customer
from merpati.desk.case_errors import CaseMerged, CaseNotFound, CaseResolved, InvalidCase, StaffAlone
from merpati.desk.case_opening import NewContact
from merpati.desk.case_search import Wanted, related_cases
from merpati.desk.models import Case, CaseUpdate
from tests.desk.cases import MONDAY, SIGNER, Desk, uk
from tests.support.control import make_account

pytestmark = pytest.mark.django_db

DEWI = NewContact("Dewi", "dewi@kirim.example")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def theirs(desk: Desk) -> Desk:
    return Desk(desk.folder, make_account("Another"), desk.person)


def last(case: Case) -> CaseUpdate:
    return case.updates.order_by("-id")[0]


def test_a_merged_case_goes_on_in_the_other(desk: Desk) -> None:
    first = desk.opens()
    second = desk.opens(contact=DEWI, subject="Penerima refuses us")
    other = case_relations.merge(second.pk, first.pk, by=desk.budi, now=uk("03-02 10:00"))
    assert other.pk == first.pk
    assert [w.email for w in other.watchers.all()] == [DEWI.email]
    assert last(other).detail == {"case": second.pk, "subject": "Penerima refuses us"}
    assert related_cases(first) == [second]
    second.refresh_from_db()
    assert (second.status, second.merged_into, second.due_at) == ("merged", first, None)
    assert last(second).detail["case"] == first.pk
    shown = for_customer(second, uk("03-02 16:00"))
    assert (shown["merged_into"], shown["turn"]) == (first.pk, None)
    assert shown["timeline"][0]["text"] == "Since this morning."  # its history stays readable
    assert shown["clocks"]["age"]["minutes"] == 60  # and its age ended with the merge
    assert shown["clocks"]["first_answer"]["state"] == "ended"
    assert [c.pk for c in Wanted(is_resolved=False).queue(10)] == [first.pk]
    assert [c.pk for c in Wanted(words="refuses").page(10)] == [second.pk, first.pk]


def test_what_was_merged_before_follows(desk: Desk) -> None:
    a, b, c = desk.opens(), desk.opens(), desk.opens()
    case_relations.merge(a.pk, b.pk, by=desk.budi, now=MONDAY)
    case_relations.merge(b.pk, c.pk, by=desk.budi, now=MONDAY)
    assert Case.objects.get(pk=a.pk).merged_into_id == c.pk


def test_a_merged_case_takes_no_more_words(desk: Desk) -> None:
    a, b = desk.opens(), desk.opens()
    case_relations.merge(a.pk, b.pk, by=desk.budi, now=MONDAY)
    with pytest.raises(CaseMerged, match=f"goes on in case {b.pk}"):
        case_actions.write(a.pk, "Hello?", by=desk.sari, now=MONDAY)
    with pytest.raises(CaseMerged):
        case_relations.merge(b.pk, a.pk, by=desk.budi, now=MONDAY)
    case_actions.note(a.pk, "For us.", by=desk.budi, now=MONDAY)


def test_what_cannot_be_merged_stays_as_it_is(desk: Desk, theirs: Desk) -> None:
    case, resolved, foreign = desk.opens(), desk.resolved(), theirs.opens()
    entries = CaseUpdate.objects.count()
    for into, refusal in (
        *((case.pk, InvalidCase), (foreign.pk, InvalidCase)),
        *((resolved.pk, CaseResolved), (9_999, CaseNotFound)),
    ):
        with pytest.raises(refusal):
            case_relations.merge(case.pk, into, by=desk.budi, now=MONDAY)
    with pytest.raises(StaffAlone):
        case_relations.merge(case.pk, desk.opens().pk, by=desk.sari, now=MONDAY)
    case.refresh_from_db()
    assert case.status == "open"
    assert CaseUpdate.objects.count() == entries + 1


def test_an_entry_starts_a_case_of_its_own(desk: Desk) -> None:
    case = desk.opens(watchers=[DEWI], severity="high", language="id")
    case_actions.write(case.pk, "And the invoice is wrong.", by=desk.sari, now=MONDAY)
    entry = last(case)
    new = case_relations.split(case.pk, entry.pk, "Invoice", by=desk.budi, now=uk("03-02 11:00"))
    assert (new.subject, new.severity, new.language) == ("Invoice", "high", "id")
    assert new.opened_by.email == "sari@kirim.example"
    assert [w.email for w in new.watchers.all()] == [DEWI.email]
    opened = new.updates.get(kind="opened")
    assert (opened.text, opened.detail["split_from"]) == ("And the invoice is wrong.", case.pk)
    assert new.first_answer_due_at == uk("03-02 13:00")
    told = case.updates.get(kind="split")
    assert told.detail == {"case": new.pk, "subject": "Invoice", "entry": entry.pk}
    assert related_cases(case) == [new]
    assert related_cases(new) == [case]


def test_only_what_a_customer_wrote_here_is_split_off(desk: Desk) -> None:
    case, other = desk.opens(), desk.opens()
    case_actions.write(case.pk, "We look at it.", by=desk.budi, now=MONDAY)
    for entry in (last(case).pk, last(other).pk, 9_999):
        with pytest.raises(InvalidCase, match="no entry"):
            case_relations.split(case.pk, entry, "", by=desk.budi, now=MONDAY)
    assert Case.objects.count() == 2


def test_related_cases_know_of_each_other_once(desk: Desk, theirs: Desk) -> None:
    a, b, foreign = desk.resolved(), desk.opens(), theirs.opens()
    for _ in range(2):
        case_relations.link(b.pk, a.pk, by=desk.budi, now=MONDAY)
    assert [u.detail["case"] for u in a.updates.filter(kind="link")] == [b.pk]
    assert not last(b).is_internal
    case_relations.link(b.pk, foreign.pk, by=desk.budi, now=MONDAY)
    assert last(b).is_internal
    assert last(foreign).is_internal
    assert related_cases(b) == [a, foreign]
    with pytest.raises(InvalidCase):
        case_relations.link(a.pk, a.pk, by=desk.budi, now=MONDAY)


def test_the_agreement_on_the_other_case_is_one_of_both_sides(desk: Desk) -> None:
    a, b = desk.opens(), desk.opens()
    case_actions.propose(a.pk, "Done.", by=desk.budi, now=MONDAY)
    case_relations.merge(a.pk, b.pk, by=desk.budi, now=MONDAY)
    with pytest.raises(CaseMerged):  # a proposal falls with the case in which it was made
        case_actions.agree(a.pk, by=desk.sari, signer=SIGNER, now=MONDAY)
