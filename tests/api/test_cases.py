"""Support cases by API: three people, the life of a case, refusals as problem documents."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from merpati.accounts.models import Account
from merpati.adapters.record_signing import LABEL, RecordSigner
from merpati.api import services
from merpati.desk import case_actions, people
from merpati.desk.models import Case, Person
from merpati.desk.parties import Party, desk_party
from tests.api.conftest import NOW, Answer, Customer, SteppingClock

CASES = "/api/merpati/v1/cases"
TAM = "/api/merpati/v1/tam"
SARI = {"name": "Sari", "email": "sari@acme.example"}
ACTS = ("messages", "propose", "withdraw", "agree", "dispute", "escalate")


@pytest.fixture
def budi(db: None) -> Party:
    person = people.add_person(
        *("Budi", "budi@desk.example"),
        role="tam",
        phone="+44 20 7946 0000",
        language="en",
        by="test",
        now=NOW,
    )
    return desk_party(person, "cli:budi")


def new_case(**fields: Any) -> dict[str, Any]:
    return {
        "kind": "platform_problem",
        "subject": "Mail waits",
        "text": "Since this morning.",
        "contact": SARI,
    } | fields


def opened(customer: Customer, **fields: Any) -> int:
    answer = customer.call("POST", CASES, new_case(**fields))
    assert answer.status == 201, answer.body
    return int(answer.body["results"]["number"])


def does(customer: Customer, number: int, act: str, body: Any = None, **headers: Any) -> Answer:
    return customer.call("POST", f"{CASES}/{number}/{act}", body, **headers)


def problem(answer: Answer) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["detail"]
    return answer.status, answer.body["type"].rpartition("/")[2]


def test_a_case_is_opened_with_its_clocks_and_evidence(acme: Customer, budi: Party) -> None:
    answer = acme.call(
        "POST",
        CASES,
        new_case(
            severity="high",
            language="id",
            watchers=[{"name": "Dewi", "email": "dewi@acme.example"}],
            links=[{"kind": "domain", "value": "Penerima.example"}],
        ),
    )
    assert answer.status == 201
    case = answer.body["results"]
    assert answer.headers["Location"] == f"{CASES}/{case['number']}"
    assert (case["status"], case["turn"], case["clock"]) == ("open", "desk", "first_answer")
    assert case["due_at"] == "2026-03-02T11:30:00Z"
    assert case["clocks"]["first_answer"]["explanation"] == "Sen 09:30-11:30"
    assert case["clocks"]["first_answer"]["account"][0]["counted"][0]["minutes"] == 120
    assert case["watchers"] == [{"name": "Dewi", "email": "dewi@acme.example"}]
    assert case["links"][0]["value"] == "penerima.example"
    assert "last_7_days" in case["links"][0]["evidence"]["traffic"]
    assert [entry["what"] for entry in case["timeline"]] == ["opened"]
    assert acme.call("GET", f"{CASES}/{case['number']}").body["results"] == case


def test_a_colleague_who_may_only_look_looks(acme: Customer) -> None:
    number = opened(acme)
    key = {"HTTP_AUTHORIZATION": acme.key_with("support_cases/view")}
    for path in (CASES, f"{CASES}/{number}", f"{CASES}/{number}/export"):
        assert acme.call("GET", path, **key).status == 200
    assert problem(acme.call("POST", CASES, new_case(), **key)) == (403, "forbidden")
    for act in ACTS:
        assert problem(does(acme, number, act, {}, **key)) == (403, "forbidden")
    sender = {"HTTP_AUTHORIZATION": acme.key_with("transmissions/modify")}
    for path in (CASES, f"{CASES}/{number}", f"{CASES}/{number}/export", TAM):
        assert problem(acme.call("GET", path, **sender)) == (403, "forbidden")
    assert Case.objects.count() == 1


def test_a_stranger_finds_nothing_of_another_accounts_case(
    acme: Customer, rival: Customer, budi: Party
) -> None:
    number = opened(acme)
    case_actions.propose(number, "Fixed.", by=budi, now=NOW)
    for path in (f"{CASES}/{number}", f"{CASES}/{number}/export", f"{CASES}/{number}/record"):
        answer = rival.call("GET", path)
        assert problem(answer) == (404, "not-found")
        assert answer.body["detail"] == f"There is no case {number}."
    for act in ACTS:
        body = {"text": "x", "reason": "x"}
        assert problem(does(rival, number, act, body)) == (404, "not-found")
    assert rival.call("GET", CASES).body == {"results": [], "links": {}}
    assert Case.objects.get().status == "proposed"


def test_internal_notes_and_ways_stay_at_the_desk(acme: Customer, budi: Party) -> None:
    number = opened(acme)
    case_actions.note(number, "A difficult customer.", by=budi, now=NOW)
    for path in (f"{CASES}/{number}", f"{CASES}/{number}/export"):
        answer = acme.client.get(path, headers={"authorization": acme.key})
        assert b"difficult" not in answer.content
        assert b"cli:budi" not in answer.content


def test_both_sides_agree_and_the_record_is_signed(
    acme: Customer, budi: Party, clock: SteppingClock
) -> None:
    number = opened(acme)
    assert problem(acme.call("GET", f"{CASES}/{number}/record")) == (404, "not-found")
    case_actions.ask(number, "Which domain?", by=budi, now=NOW)
    assert acme.call("GET", f"{CASES}/{number}").body["results"]["turn"] == "customer"
    answer = does(acme, number, "messages", {"text": "acme.example", "contact": SARI})
    assert (answer.status, answer.body["results"]["status"]) == (200, "open")
    case_actions.propose(number, "Fixed.", by=budi, now=NOW)
    disputed = does(acme, number, "dispute", {"reason": "It waits again.", "contact": SARI})
    assert disputed.body["results"]["status"] == "open"
    case_actions.propose(number, "Fixed for good.", by=budi, now=NOW)
    clock.moment = datetime(2026, 3, 2, 12, tzinfo=UTC)
    agreed = does(acme, number, "agree").body["results"]
    assert (agreed["status"], agreed["resolved_at"]) == ("resolved", "2026-03-02T12:00:00Z")
    document = acme.call("GET", f"{CASES}/{number}/record").body
    signer = RecordSigner(services.services().secret_box.derive(LABEL))
    steps = signer.verify(document)["steps"]
    assert [s["what"] for s in steps] == ["proposal", "dispute", "proposal", "agreement"]
    assert steps[1]["name"] == "Sari"
    assert steps[3]["name"] == f"api:key {acme.key[:4]}"  # nobody was named: only the key is known
    exported = acme.call("GET", f"{CASES}/{number}/export")
    assert exported.body["case"]["resolution_record"] == document
    assert f"case-{number}.json" in exported.headers["Content-Disposition"]


def test_each_refusal_has_a_type_of_its_own(acme: Customer, budi: Party) -> None:
    """L5: agreed before anything is proposed, to one's own, after a dispute, after the end."""
    number = opened(acme)
    said = {"text": "x", "reason": "x"}
    assert problem(does(acme, number, "agree")) == (409, "nothing-proposed")
    assert problem(does(acme, number, "escalate", said)) == (409, "escalation-refused")
    assert does(acme, number, "propose", said).status == 200
    assert problem(does(acme, number, "agree")) == (409, "own-proposal")
    assert problem(does(acme, number, "propose", said)) == (409, "proposal-pending")
    assert does(acme, number, "withdraw").status == 200
    case_actions.propose(number, "Fixed.", by=budi, now=NOW)
    assert problem(does(acme, number, "withdraw")) == (409, "proposal-pending")
    assert does(acme, number, "dispute", said).status == 200
    assert problem(does(acme, number, "agree")) == (409, "nothing-proposed")
    case_actions.propose(number, "Fixed.", by=budi, now=NOW)
    assert does(acme, number, "agree").status == 200
    for act in ("agree", "dispute", "messages", "propose"):
        assert problem(does(acme, number, act, said)) == (409, "case-resolved")
    for slug in ("nothing-proposed", "own-proposal", "proposal-pending", "case-resolved"):
        shown = acme.call("GET", f"/api/merpati/v1/problems/{slug}")
        assert shown.body["results"]["what_to_do"]


def test_a_repeat_with_the_same_key_is_done_once(acme: Customer, rival: Customer) -> None:
    again = {"HTTP_IDEMPOTENCY_KEY": "k-1"}
    first = acme.call("POST", CASES, new_case(), **again)
    second = acme.call("POST", CASES, new_case(), **again)
    assert (first.status, second.status) == (201, 201)
    assert second.body == first.body
    assert rival.call("POST", CASES, new_case(), **again).status == 201
    assert Case.objects.count() == 2
    other = acme.call("POST", CASES, new_case(subject="Another"), **again)
    assert problem(other) == (409, "conflict")
    number = first.body["results"]["number"]
    assert problem(does(acme, number, "messages", new_case(), **again)) == (409, "conflict")
    for _ in range(2):
        said = {"text": "Anybody?"}
        answer = does(acme, number, "messages", said, HTTP_IDEMPOTENCY_KEY="k-2")
        assert len(answer.body["results"]["timeline"]) == 2
    refused = {"HTTP_IDEMPOTENCY_KEY": "k-3"}
    assert problem(does(acme, number, "agree", **refused)) == (409, "nothing-proposed")
    assert does(acme, number, "propose", said, HTTP_IDEMPOTENCY_KEY="k-4").status == 200
    assert problem(does(acme, number, "agree", **refused)) == (409, "own-proposal")  # tried again
    assert does(acme, number, "withdraw", HTTP_IDEMPOTENCY_KEY="").status == 400


def test_looking_never_agrees(acme: Customer, budi: Party) -> None:
    """L5: a scanner that follows links with GET or HEAD changes nothing."""
    number = opened(acme)
    case_actions.propose(number, "Fixed.", by=budi, now=NOW)
    for method in ("GET", "HEAD"):
        for act in ACTS:
            assert acme.call(method, f"{CASES}/{number}/{act}").status == 405
    assert Case.objects.get().status == "proposed"


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"subject": None}, "/subject"),
        ({"contact": None}, "/contact"),
        ({"kind": "complaint"}, "/kind"),
        ({"severity": 3}, "/severity"),
        ({"contact": {"name": "Sari", "email": "x"}}, "/contact/email"),
        ({"links": [{"kind": "domain", "value": "a b"}]}, "/links/0/value"),
        ({"watchers": [SARI, {"name": "D", "email": "d"}]}, "/watchers/1/email"),
        ({"text": "x" * 50_001}, "/text"),
    ],
)
def test_a_wrong_field_is_pointed_at(acme: Customer, fields: Any, pointer: str) -> None:
    answer = acme.call("POST", CASES, new_case(**fields))
    assert problem(answer) == (422, "invalid-request")
    assert answer.body["errors"][0]["pointer"] == pointer
    assert not Case.objects.exists()


def test_what_is_said_is_checked(acme: Customer) -> None:
    number = opened(acme)
    assert does(acme, number, "messages", {}).body["errors"][0]["pointer"] == "/text"
    assert does(acme, number, "messages", {"text": 7}).status == 422
    wrong = does(acme, number, "messages", {"text": "x", "contact": {"name": "S", "email": "s"}})
    assert wrong.body["errors"][0]["pointer"] == "/contact/email"


def test_cases_are_listed_in_pages_and_filtered(acme: Customer, rival: Customer) -> None:
    numbers = [opened(acme, severity="low" if n % 2 else "high") for n in range(5)]
    opened(rival)
    seen, path = [], f"{CASES}?per_page=2"
    while path:
        body = acme.call("GET", path).body
        seen.append([case["number"] for case in body["results"]])
        path = body["links"].get("next", "")
    assert seen == [numbers[4:2:-1], numbers[2:0:-1], numbers[:1]]
    low = acme.call("GET", f"{CASES}?severity=low&status=open&kind=platform_problem").body
    assert [case["number"] for case in low["results"]] == [numbers[3], numbers[1]]
    assert acme.call("GET", f"{CASES}?status=resolved").body["results"] == []
    first = acme.call("GET", f"{CASES}?per_page=1&severity=low").body["links"]["next"]
    assert [case["number"] for case in acme.call("GET", first).body["results"]] == [numbers[1]]


@pytest.mark.parametrize(
    "query", ["status=closed", "kind=x", "severity=1", "per_page=0", "per_page=x", "cursor=%C3%A9"]
)
def test_a_question_that_is_not_understood_is_refused(acme: Customer, query: str) -> None:
    answer = acme.call("GET", f"{CASES}?{query}")
    assert problem(answer) == (400, "invalid-request")
    assert query.partition("=")[0] in answer.body["detail"]


def test_lists_and_cases_cost_a_fixed_number_of_queries(acme: Customer, budi: Party) -> None:
    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert acme.call("GET", path).status == 200
        return len(asked)

    number = opened(acme)
    few = queries(CASES), queries(f"{CASES}/{number}")
    for _ in range(4):
        opened(acme, watchers=[SARI])
        case_actions.write(number, "Hello.", by=budi, now=NOW)
    assert (queries(CASES), queries(f"{CASES}/{number}")) == few == (2, 11)


def test_the_tam_is_shown_with_when_they_can_be_reached(
    acme: Customer, rival: Customer, budi: Party, clock: SteppingClock
) -> None:
    """Clause C2: who, phone, email, now or when next."""
    people.assign_tam(acme.account_id, "budi@desk.example", by="test", now=NOW)
    found = acme.call("GET", TAM).body["results"]
    tam = found["tam"]
    assert (tam["name"], tam["phone"]) == ("Budi", "+44 20 7946 0000")
    assert tam["reachable_now"]
    assert (found["role"], found["deputy"]) == ("primary_contact", None)
    clock.moment = datetime(2026, 4, 2, 16, tzinfo=UTC)  # past closing before Easter, in summer
    tam = acme.call("GET", TAM).body["results"]["tam"]
    assert not tam["reachable_now"]
    assert tam["reachable_from"] == "2026-04-07T07:30:00Z"
    assert tam["reachable_from_local"] == "2026-04-07T08:30:00+01:00"
    assert problem(rival.call("GET", TAM)) == (404, "not-found")


def test_a_calendar_that_cannot_be_counted_is_told_as_unavailable(
    acme: Customer, clock: SteppingClock
) -> None:
    """Not as a defect: whoever runs the service mends the calendar, and the call is repeated."""
    clock.moment = datetime(2150, 1, 5, tzinfo=UTC)
    answer = acme.call("POST", CASES, new_case())
    assert problem(answer) == (503, "unavailable")
    assert "2150" in answer.body["detail"]


def test_a_case_is_escalated_by_the_customer(acme: Customer, budi: Party) -> None:
    number = opened(acme)
    people.assign_tam(acme.account_id, "budi@desk.example", by="test", now=NOW)
    people.complete_onboarding(acme.account_id, by="test", now=NOW)
    case = does(acme, number, "escalate", {"reason": "Too slow.", "contact": SARI}).body["results"]
    assert case["escalated_at"] == "2026-03-02T09:30:00Z"
    entry = case["timeline"][-1]
    assert (entry["what"], entry["name"], entry["text"]) == ("escalation", "Sari", "Too slow.")
    assert entry["detail"] == {"tam": "budi@desk.example", "name": "Budi"}
    assert Person.objects.count() == 1
    assert Account.objects.count() == 1
