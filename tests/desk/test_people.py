"""Staff, TAMs with deputies and absences, and when they can be reached."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.db import IntegrityError

from merpati.accounts.models import Account, AuditEntry
from merpati.desk import people
from merpati.desk.case_errors import (
    InvalidPerson,
    OnboardingComplete,
    PersonExists,
    PersonNotFound,
)
from merpati.desk.models import Person, TamAssignment
from merpati.desk.reachability import reach
from merpati.desk.tam import AccountTam, tam_document, tam_of
from tests.desk.calendars import ZONES, local
from tests.desk.cases import BY, MONDAY, add_person, uk
from tests.support.control import make_account

pytestmark = pytest.mark.django_db
WHO: dict[str, Any] = {"by": BY, "now": MONDAY}
UK = ZONES["uk"]


@pytest.fixture
def account() -> Account:
    return make_account()


def found(account: Account, when: str) -> AccountTam:
    tam = tam_of(account, uk(when))
    assert tam is not None
    return tam


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"email": "budi"}, "email"),
        ({"email": "budi@desk.example\nBcc: x@y.example"}, "email"),
        ({"name": ""}, "name"),
        ({"role": "boss"}, "role"),
        ({"language": "fr"}, "language"),
        ({"role": "tam", "phone": ""}, "phone"),
        ({"phone": "020 7946 0000"}, "phone"),
    ],
)
def test_a_person_that_cannot_be_used_names_the_field(fields: dict[str, str], field: str) -> None:
    given = {"name": "Budi", "email": "budi@desk.example", "role": "representative"}
    with pytest.raises(InvalidPerson) as refused:
        people.add_person(**({"language": "en"} | given | fields), **WHO)
    assert refused.value.field == field
    assert not Person.objects.exists()


def test_an_address_is_one_person() -> None:
    add_person("Budi")
    with pytest.raises(PersonExists, match="There is a person with the address"):
        people.add_person("B", "BUDI@desk.example", role="representative", language="id", **WHO)
    with pytest.raises(PersonNotFound, match="person list"):
        people.find_person("dewi@desk.example")
    with pytest.raises(IntegrityError, match="tam_has_a_phone"):
        Person.objects.create(name="T", email="t@d.example", role="tam", created_at=MONDAY)


def test_an_account_has_one_tam_and_remembers_the_earlier(account: Account) -> None:
    first, second = add_person("Tari", "tam"), add_person("Tomo", "tam")
    budi = add_person("Budi")
    assert tam_of(account, MONDAY) is None
    people.assign_tam(account.pk, first.email, **WHO)
    people.assign_tam(account.pk, second.email, budi.email, by=BY, now=uk("03-03 09:00"))
    rows = TamAssignment.objects.filter(account=account).order_by("assigned_at")
    assert [(r.tam, r.deputy, r.ended_at) for r in rows] == [
        (first, None, uk("03-03 09:00")),
        (second, budi, None),
    ]
    with pytest.raises(InvalidPerson, match="own deputy"):
        people.assign_tam(account.pk, first.email, first.email, **WHO)
    with pytest.raises(InvalidPerson, match="representative"):
        people.assign_tam(account.pk, budi.email, **WHO)
    assert found(account, "03-03 10:00").tam.person == second
    assert AuditEntry.objects.filter(action="assign_tam").count() == 2
    with pytest.raises(IntegrityError, match=r"UNIQUE|one_tam_at_a_time"):
        TamAssignment.objects.create(account=account, tam=first, assigned_at=MONDAY)


def test_somebody_away_is_reached_when_they_are_back() -> None:
    """Within hours, at the closing, on a bank holiday's weekend, and over an absence."""
    for moment, away, begins, is_now in (
        ("2026-03-02T10:00", [], "2026-03-02T08:30", True),
        ("2026-03-02T16:30", [], "2026-03-03T08:30", False),
        ("2026-05-01T17:00", [], "2026-05-05T08:30", False),
        ("2026-03-02T10:00", [(date(2026, 3, 2), date(2026, 3, 4))], "2026-03-05T08:30", False),
        ("2026-03-05T10:00", [(date(2026, 3, 2), date(2026, 3, 4))], "2026-03-05T08:30", True),
    ):
        reached = reach(UK, away, local(UK, moment))
        assert (reached.begins_at, reached.is_now) == (local(UK, begins), is_now), moment


def test_the_deputy_stands_in_while_the_tam_is_away(account: Account) -> None:
    tari, budi = add_person("Tari", "tam"), add_person("Budi")
    people.assign_tam(account.pk, tari.email, budi.email, **WHO)
    assert found(account, "03-02 10:00").contact.person == tari
    people.add_absence(tari.email, date(2026, 3, 2), date(2026, 3, 3), "leave", **WHO)
    assert found(account, "03-02 10:00").contact.person == budi
    assert found(account, "03-04 10:00").contact.person == tari
    with pytest.raises(InvalidPerson, match="before it starts"):
        people.add_absence(tari.email, date(2026, 3, 2), date(2026, 3, 1), "leave", **WHO)


def test_the_tam_is_the_contact_until_onboarding_is_complete(account: Account) -> None:
    people.assign_tam(account.pk, add_person("Tari", "tam").email, **WHO)
    assert tam_document(found(account, "03-02 10:00"))["role"] == "primary_contact"
    people.complete_onboarding(account.pk, **WHO)
    assert tam_document(found(account, "03-02 10:00"))["role"] == "escalation_point"
    with pytest.raises(OnboardingComplete, match=f"by {BY} on 2026-03-02"):
        people.complete_onboarding(account.pk, **WHO)
