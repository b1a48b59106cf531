"""Writers take turns on both databases, so what an action judged still holds as it writes.

Each race runs eight threads of one process against each other, on a control database of its own.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.control import run_script

pytestmark = pytest.mark.control_database

RACES = """
import threading
from collections import Counter
from datetime import timedelta
from django.db import connection, connections
from tests.desk.cases import MONDAY, Sources
from tests.support.control import make_account
from merpati.accounts.actions import create_account, create_api_key
from merpati.accounts.models import Account, ApiKey
from merpati.desk import case_actions
from merpati.desk.case_opening import NewCase, NewContact, open_case
from merpati.desk.case_states import Act
from merpati.desk.models import Case, CaseUpdate, TamAssignment
from merpati.desk.people import add_person, assign_tam, complete_onboarding
from merpati.desk.parties import customer_party, desk_party
from merpati.desk.repeats import Request
from merpati.sending.policy import current_version

THREADS = 8


def race(act):
    barrier, outcomes, lock = threading.Barrier(THREADS), [], threading.Lock()

    def run(number):
        connection.ensure_connection()
        barrier.wait()
        try:
            act(number)
            outcome = "done"
        except Exception as error:
            outcome = type(error).__name__
        finally:
            connections.close_all()
        with lock:
            outcomes.append(outcome)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(THREADS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return dict(Counter(outcomes))


account = make_account("Kirim")
found = {}
before = current_version()
found["trust"] = race(
    lambda n: create_api_key(
        account.pk, "smtp", ["smtp/inject"], by=BY, now=NOW, trusted_networks=["10.0.0.0/8"]
    )
)
found["versions"] = current_version() - before
found["names"] = race(lambda n: create_account("Toko", "premium", "uk", by=BY, now=NOW))
people = [
    add_person(f"T{n}", f"t{n}@desk.example", role="tam", language="en", phone="+44 20 7946 0000",
               by=BY, now=NOW)
    for n in range(THREADS)
]
found["tams"] = race(lambda n: assign_tam(account.pk, f"t{n}@desk.example", by=BY, now=NOW))
found["current"] = TamAssignment.objects.filter(ended_at=None).count()
found["onboarding"] = race(lambda n: complete_onboarding(account.pk, by=BY, now=NOW))
wanted = NewCase("platform_problem", "Late", "Mail is late.", NewContact("Ani", "ani@x.example"))
found["once"] = race(
    lambda n: open_case(account.pk, wanted, via=BY, now=MONDAY,
                        sources=Sources(DATA / "events.sqlite3", DATA / "spool"),
                        request=Request(account.pk, "key", "print"))
)
found["cases"] = Case.objects.count()
number = Case.objects.get().pk
desk, ani = desk_party(people[0], BY), customer_party(BY, "Ani", "ani@x.example")
later = MONDAY + timedelta(hours=1)
found["escalations"] = race(
    lambda n: case_actions.escalate(number, "slow", by=ani, now=later)
)
found["proposals"] = race(lambda n: case_actions.propose(number, "Solved.", by=desk, now=later))
found["history"] = [
    CaseUpdate.objects.filter(kind=act.value).count() for act in (Act.ESCALATE, Act.PROPOSE)
]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    printed: dict[str, Any] = json.loads(run_script(tmp_path_factory.mktemp("data"), RACES))
    return printed


def test_a_network_is_trusted_by_one_key_though_no_constraint_says_so(
    found: dict[str, Any],
) -> None:
    assert found["trust"] == {"done": 1, "InvalidKeyRequest": 7}
    assert found["versions"] == 1


def test_a_name_is_given_to_one_account(found: dict[str, Any]) -> None:
    assert found["names"] == {"done": 1, "AccountExists": 7}


def test_an_account_has_one_tam_whoever_assigns_at_once(found: dict[str, Any]) -> None:
    assert found["tams"] == {"done": 8}
    assert found["current"] == 1
    assert found["onboarding"] == {"done": 1, "OnboardingComplete": 7}


def test_a_request_with_a_key_opens_one_case(found: dict[str, Any]) -> None:
    assert found["once"] == {"done": 8}
    assert found["cases"] == 1


def test_one_escalates_and_one_proposes(found: dict[str, Any]) -> None:
    assert found["escalations"] == {"done": 1, "EscalatedBefore": 7}
    assert found["proposals"]["done"] == 1
    assert found["history"] == [1, 1]
