"""What is done to cases: history, representative, escalation, scope, agreement by both sides."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from merpati.accounts.models import AuditEntry
from merpati.desk import case_actions, people
from merpati.desk.case_errors import (
    CaseResolved,
    EscalatedBefore,
    InvalidCase,
    NoTam,
    NothingProposed,
    OnboardingIncomplete,
    StaffAlone,
)
from merpati.desk.case_opening import NewContact
from merpati.desk.models import Case, CaseUpdate, Contact
from merpati.desk.parties import desk_party
from merpati.desk.scope import OutOfScope
from tests.desk.cases import BY, MONDAY, SIGNER, Desk, add_person, uk
from tests.support.control import run_script

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def history(case: Case) -> list[str]:
    return list(CaseUpdate.objects.filter(case=case).order_by("id").values_list("kind", flat=True))


def test_a_case_is_opened_with_number_clock_and_who_is_responsible(desk: Desk) -> None:
    watchers = [NewContact("Dewi", "Dewi@Kirim.example")]
    first = desk.opens(watchers=watchers, language="id")
    second = desk.opens(watchers=watchers)
    assert second.number == first.number + 1
    assert first.representative == desk.person
    assert first.first_answer_due_at == first.due_at == MONDAY + timedelta(hours=4)
    assert [w.email for w in first.watchers.all()] == ["dewi@kirim.example"]
    assert Contact.objects.count() == 2
    assert history(first) == ["opened"]
    assert AuditEntry.objects.filter(action="open_case", account=desk.account).count() == 2


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "complaint"}, "kind"),
        ({"severity": "now"}, "severity"),
        ({"language": "fr"}, "language"),
        ({"subject": "two\nlines"}, "subject"),
        ({"text": "  "}, "text"),
        ({"text": "bell \a"}, "text"),
        ({"contact": NewContact("Sari", "sari")}, "contact.email"),
        ({"contact": NewContact("", "sari@kirim.example")}, "contact.name"),
        ({"watchers": [NewContact("D", "d@e.example"), NewContact("D", "x")]}, "watchers.1.email"),
        ({"watchers": [NewContact("D", "d@e.example")] * 21}, "watchers"),
        ({"links": [("domain", "not a domain")]}, "links.0.value"),
        ({"links": [("sending_ip", "1.2.3")]}, "links.0.value"),
        ({"links": [("message", "xyz")]}, "links.0.value"),
        ({"links": [("invoice", "1")]}, "links.0.kind"),
        ({"links": [("campaign", "x")] * 11}, "links"),
    ],
)
def test_what_cannot_be_opened_names_the_field(
    desk: Desk, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidCase) as refused:
        desk.opens(**fields)
    assert refused.value.field == field
    assert not Case.objects.exists()


def test_a_new_case_goes_to_who_has_the_fewest_and_is_there(desk: Desk) -> None:
    desk.opens()
    dewi = add_person("Dewi")
    assert desk.opens().representative == dewi
    people.add_absence(dewi.email, MONDAY.date(), MONDAY.date(), "leave", by=BY, now=MONDAY)
    assert desk.opens().representative == desk.person
    assert desk.opens(now=uk("03-03 09:00")).representative == dewi


def test_a_resolved_case_burdens_nobody(desk: Desk) -> None:
    desk.resolved()
    add_person("Dewi")
    assert desk.opens().representative == desk.person


def test_during_onboarding_the_tam_is_responsible_or_the_deputy(desk: Desk) -> None:
    tam, deputy = add_person("Tari", "tam"), add_person("Dodi")
    people.assign_tam(desk.account.pk, tam.email, deputy.email, by=BY, now=MONDAY)
    assert desk.opens().representative == tam
    people.add_absence(tam.email, MONDAY.date(), MONDAY.date(), "leave", by=BY, now=MONDAY)
    assert desk.opens().representative == deputy
    people.complete_onboarding(desk.account.pk, by=BY, now=MONDAY)
    assert desk.opens().representative == desk.person


def test_who_answers_first_becomes_responsible_where_nobody_is(desk: Desk) -> None:
    Case.objects.filter(pk=(case := desk.opens()).pk).update(representative=None)
    case_actions.note(case.pk, "Looking.", by=desk.budi, now=MONDAY)
    assert Case.objects.get().representative is None
    case = case_actions.write(case.pk, "We look at it.", by=desk.budi, now=MONDAY)
    assert case.representative == desk.person
    assert case.updates.get(kind="message").detail["representative"] == desk.person.email
    dewi = desk_party(add_person("Dewi"), "cli:dewi")
    assert case_actions.write(case.pk, "Too.", by=dewi, now=MONDAY).representative == desk.person


def test_a_case_lives_through_dispute_to_agreement(desk: Desk) -> None:
    number = desk.opens().pk
    case_actions.write(number, "We look at it.", by=desk.budi, now=uk("03-02 10:00"))
    case_actions.ask(number, "Which domain?", by=desk.budi, now=uk("03-02 11:00"))
    assert Case.objects.get().status == "waiting_for_customer"
    case_actions.write(number, "kirim.example", by=desk.sari, now=uk("03-02 12:00"))
    case_actions.report_progress(number, "Found it.", by=desk.budi, now=uk("03-02 13:00"))
    case_actions.propose(number, "Fixed.", by=desk.budi, now=uk("03-02 14:00"))
    case = case_actions.dispute(number, "It waits again.", by=desk.sari, now=uk("03-02 15:00"))
    assert (case.status, case.proposed_by, case.turn) == ("open", None, "desk")
    case_actions.propose(number, "Fixed for good.", by=desk.budi, now=uk("03-03 09:00"))
    case = case_actions.agree(
        number, "Thank you.", by=desk.sari, signer=SIGNER, now=uk("03-03 10:00")
    )
    assert (case.status, case.resolved_at) == ("resolved", uk("03-03 10:00"))
    assert history(case) == [
        *("opened", "message", "request_for_information", "message", "progress_update"),
        *("proposal", "dispute", "proposal", "agreement"),
    ]
    record = SIGNER.verify(case.record.document)
    assert record["resolution"] == "Fixed for good."
    assert [(s["what"], s["side"], s["name"], s["text"]) for s in record["steps"]] == [
        ("proposal", "desk", "Budi", "Fixed."),
        ("dispute", "customer", "Sari", "It waits again."),
        ("proposal", "desk", "Budi", "Fixed for good."),
        ("agreement", "customer", "Sari", "Thank you."),
    ]
    with pytest.raises(CaseResolved):
        case_actions.agree(number, by=desk.sari, signer=SIGNER, now=uk("03-03 11:00"))
    assert case.updates.count() == 9


def test_a_refused_act_leaves_nothing_behind(desk: Desk) -> None:
    number = desk.opens().pk
    before = AuditEntry.objects.count()
    with pytest.raises(NothingProposed):
        case_actions.agree(number, by=desk.sari, signer=SIGNER, now=MONDAY)
    with pytest.raises(InvalidCase):
        case_actions.write(number, " ", by=desk.sari, now=MONDAY)
    assert CaseUpdate.objects.count() == 1
    assert AuditEntry.objects.count() == before


def test_a_case_is_sorted_and_its_clock_follows_the_severity(desk: Desk) -> None:
    number = desk.opens().pk
    later = MONDAY + timedelta(minutes=30)
    case = case_actions.sort(number, "configuration_request", "high", by=desk.budi, now=later)
    assert (case.kind, case.severity) == ("configuration_request", "high")
    # From the start of the clock: who waited half an hour waited half an hour.
    assert case.due_at == case.first_answer_due_at == MONDAY + timedelta(hours=2)
    assert case.remind_at == MONDAY + timedelta(hours=1)
    entry = case.updates.get(kind="sorting")
    assert entry.detail["before"] == {"kind": "platform_problem", "severity": "normal"}
    case = case_actions.sort(number, case.kind, "high", by=desk.budi, now=later)
    assert history(case) == ["opened", "sorting"]  # it was sorted so already
    case_actions.write(number, "We look.", by=desk.budi, now=later)
    case = case_actions.sort(number, case.kind, "low", by=desk.budi, now=later)
    assert case.due_at == uk("03-09 09:30")  # forty hours of business
    assert case.first_answer_due_at == MONDAY + timedelta(hours=2)
    case_actions.ask(number, "Which domain?", by=desk.budi, now=later)
    case = case_actions.sort(number, case.kind, "urgent", by=desk.budi, now=later)
    assert case.due_at is None  # it stands, whatever the severity
    for kind, severity in (("complaint", "high"), ("platform_problem", "now")):
        with pytest.raises(InvalidCase):
            case_actions.sort(number, kind, severity, by=desk.budi, now=later)
    with pytest.raises(StaffAlone):
        case_actions.sort(number, "platform_problem", "urgent", by=desk.sari, now=later)


def test_escalation_opens_with_the_onboarding_complete(desk: Desk) -> None:
    """Clause C3: to the TAM, with who, when and why."""
    number = desk.opens().pk
    with pytest.raises(OnboardingIncomplete, match="Escalation opens once"):
        case_actions.escalate(number, "Too slow.", by=desk.sari, now=MONDAY)
    people.complete_onboarding(desk.account.pk, by=BY, now=MONDAY)
    with pytest.raises(NoTam):
        case_actions.escalate(number, "Too slow.", by=desk.sari, now=MONDAY)
    tam = add_person("Tari", "tam")
    people.assign_tam(desk.account.pk, tam.email, by=BY, now=MONDAY)
    case = case_actions.escalate(number, "Too slow.", by=desk.sari, now=MONDAY)
    assert case.escalated_at == MONDAY
    entry = case.updates.get(kind="escalation")
    assert (entry.text, entry.author_name, entry.is_internal) == ("Too slow.", "Sari", False)
    assert entry.detail == {"tam": tam.email, "name": "Tari"}
    with pytest.raises(EscalatedBefore):
        case_actions.escalate(number, "Again.", by=desk.budi, now=MONDAY)


@pytest.mark.parametrize("topic", OutOfScope)
def test_excluded_work_is_answered_in_the_cases_language(desk: Desk, topic: OutOfScope) -> None:
    """Clauses C5 and C8: an answer like any other, and recorded which."""
    texts = []
    for language in ("en", "id"):
        number = desk.opens(language=language).pk
        case = case_actions.answer_out_of_scope(
            number, topic, "Best, Budi", by=desk.budi, now=MONDAY
        )
        entry = case.updates.get(kind="out_of_scope")
        assert entry.detail["topic"] == topic
        assert entry.text.endswith("\n\nBest, Budi")
        assert case.first_answered_at == MONDAY
        texts.append(entry.text)
    assert texts[0].startswith("Thank you for asking.")
    assert texts[1].startswith("Terima kasih")


RACE = """
import threading
from merpati.accounts.actions import create_account
from merpati.adapters.record_signing import RecordSigner
from merpati.desk import case_actions
from merpati.desk.case_opening import NewCase, NewContact, open_case
from merpati.desk.evidence import Sources
from merpati.desk.parties import customer_party, desk_party
from merpati.desk.people import add_person
account = create_account("Race", "premium", "uk", by=BY, now=NOW).account
budi = desk_party(add_person("Budi", "budi@desk.example", role="representative", language="en",
                             by=BY, now=NOW), "cli:budi")
sari = customer_party("api:key", "Sari", "sari@kirim.example")
signer = RecordSigner(b"s" * 32)
outcomes = []

def run(acts):
    ready, done = threading.Barrier(len(acts)), []
    def one(act):
        ready.wait()
        try:
            done.append(act().status)
        except Exception as error:
            done.append(type(error).__name__)
    threads = [threading.Thread(target=one, args=(act,)) for act in acts]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return sorted(done)

for round in range(8):
    case = open_case(account.pk, NewCase("platform_problem", "Race", "text",
                     NewContact("Sari", "sari@kirim.example")), via="t",
                     sources=Sources(DATA / "events", DATA / "spool"), now=NOW)
    n = case.pk
    case_actions.propose(n, "Done.", by=budi, now=NOW)
    answers = run([
        *[lambda: case_actions.agree(n, by=sari, signer=signer, now=NOW)] * 3,
        *[lambda: case_actions.dispute(n, "No.", by=sari, now=NOW)] * 3,
    ])
    steps = list(case.updates.filter(kind__in=("agreement", "dispute")).values_list("kind"))
    outcomes.append([answers, len(steps)])
print(json.dumps(outcomes))
"""


def test_of_many_who_answer_a_proposal_at_once_one_wins(tmp_path: Path) -> None:
    """Threads of one process on a real database, each with a connection of its own."""
    for answers, steps in json.loads(run_script(tmp_path, RACE)):
        assert steps == 1
        won = [answer for answer in answers if answer in {"open", "resolved"}]
        lost = [answer for answer in answers if answer not in won]
        assert len(won) == 1
        assert set(lost) <= {"NothingProposed" if won == ["open"] else "CaseResolved"}
        assert len(lost) == 5
