"""Call-backs by API: free times, booked once, moved and cancelled by their own account alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from merpati.desk import people
from merpati.desk.models import CallBack
from merpati.sending.models import OutboxMail
from tests.api.conftest import NOW, Answer, Customer, SteppingClock
from tests.api.test_cases import SARI, budi, opened, problem  # noqa: F401

CALLS = "/api/merpati/v1/call-backs"
TEN = "2026-03-03T10:00:00Z"


@pytest.fixture
def tam(budi: Any, acme: Customer, rival: Customer) -> None:  # noqa: F811
    for customer in (acme, rival):
        people.assign_tam(customer.account_id, "budi@desk.example", by="test", now=NOW)


def book(customer: Customer, **fields: Any) -> Answer:
    wanted = {"starts_at": TEN, "phone": "+62 21 5550 100", "topic": "Warm-up", "contact": SARI}
    return customer.call("POST", CALLS, wanted | fields)


def test_a_free_time_is_booked_moved_and_cancelled(acme: Customer, tam: None) -> None:
    """Clause C2: call-backs can be booked inside business hours."""
    offered = acme.call("GET", f"{CALLS}/slots").body["results"]
    assert offered["person"] == "Budi"
    assert TEN in [slot["starts_at"] for slot in offered["slots"]]
    number = opened(acme)
    answer = book(acme, case=number)
    assert answer.status == 201
    booked = answer.body["results"]
    assert (booked["person"], booked["case"], booked["starts_at"]) == ("Budi", number, TEN)
    told = set(OutboxMail.objects.values_list("to_email", flat=True))
    assert told == {"sari@acme.example", "budi@desk.example"}
    assert acme.call("GET", CALLS).body["results"] == [booked]
    left = acme.call("GET", f"{CALLS}/slots").body["results"]["slots"]
    assert TEN not in [slot["starts_at"] for slot in left]
    path = f"{CALLS}/{booked['id']}"
    moved = acme.call("PUT", path, {"starts_at": "2026-03-04T09:30:00+01:00"})
    assert moved.body["results"]["starts_at"] == "2026-03-04T08:30:00Z"
    assert acme.call("DELETE", path).status == 204
    assert problem(acme.call("DELETE", path)) == (404, "not-found")
    assert acme.call("GET", CALLS).body["results"] == []


def test_a_time_is_given_once_and_a_repeat_gets_its_own(
    acme: Customer, rival: Customer, tam: None
) -> None:
    first = book(acme)
    again = book(acme)
    assert (again.status, again.body) == (200, first.body)
    assert problem(book(rival)) == (409, "slot-not-free")
    assert problem(book(acme, starts_at="2026-03-07T10:00:00Z")) == (409, "slot-not-free")
    assert CallBack.objects.count() == 1


def test_a_stranger_and_who_may_only_look(acme: Customer, rival: Customer, tam: None) -> None:
    number = opened(acme)
    path = f"{CALLS}/{book(acme).body['results']['id']}"
    assert problem(rival.call("PUT", path, {"starts_at": TEN})) == (404, "not-found")
    assert problem(rival.call("DELETE", path)) == (404, "not-found")
    assert rival.call("GET", CALLS).body["results"] == []
    assert problem(book(rival, starts_at="2026-03-03T11:00:00Z", case=number)) == (404, "not-found")
    key = {"HTTP_AUTHORIZATION": acme.key_with("support_cases/view")}
    assert acme.call("GET", f"{CALLS}/slots", **key).status == 200
    assert problem(acme.call("DELETE", path, **key)) == (403, "forbidden")
    assert problem(acme.call("POST", CALLS, {}, **key)) == (403, "forbidden")
    assert CallBack.objects.filter(cancelled_at=None).count() == 1


@pytest.mark.control_database
@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"phone": None}, "/phone"),
        ({"phone": "12"}, "/phone"),
        ({"topic": "x" * 201}, "/topic"),
        ({"starts_at": "2026-03-03T10:00:00"}, "/starts_at"),  # by whose clock?
        ({"contact": {"name": "S", "email": "s"}}, "/contact/email"),
    ],
)
def test_a_wrong_field_is_pointed_at(acme: Customer, tam: None, fields: Any, pointer: str) -> None:
    answer = book(acme, **fields)
    assert problem(answer) == (422, "invalid-request")
    assert answer.body["errors"][0]["pointer"] == pointer
    assert not CallBack.objects.exists()


def test_nobody_calls_where_no_tam_is_assigned(acme: Customer, clock: SteppingClock) -> None:
    clock.moment = datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert problem(acme.call("GET", f"{CALLS}/slots")) == (404, "not-found")
    assert problem(book(acme)) == (404, "not-found")
