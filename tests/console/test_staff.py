"""`/users/staff`: administrators alone invite staff, change roles, and keep people out."""

from __future__ import annotations

from typing import Any

import pytest

from merpati.accounts.models import AuditEntry, User
from merpati.desk.models import Person
from merpati.sending.models import OutboxMail
from tests.console.conftest import Browser, add_user
from tests.desk.cases import Desk

WANTED = {"email": "Wati@Desk.example", "name": "Wati", "role": "tam", "language": "id"}


@pytest.fixture
def boss(desk: Desk) -> Browser:
    user = add_user("Putu", staff_role="administrator")
    user.set_password("a long enough secret")
    user.save()
    return Browser(user)


def act(browser: Browser, user: User, name: str, **data: str) -> Any:
    of = "all" if name == "access" else "staff"
    return browser.post(f"/users/{of}/{user.pk}/{name}", data, follow=True)


def test_a_tam_is_invited_and_becomes_a_person_of_the_desk(boss: Browser) -> None:
    refused = boss.post("/users/staff", WANTED)
    assert refused.status_code == 400
    assert "Write the phone number with its country" in refused.content.decode()
    assert not User.objects.filter(email="wati@desk.example").exists()
    done = boss.post("/users/staff", WANTED | {"phone": "+62 21 5550 100"}, follow=True)
    assert "An email is on its way to wati@desk.example" in done.content.decode()
    person = Person.objects.get(email="wati@desk.example")
    assert (person.role, person.language, person.phone) == ("tam", "id", "+62 21 5550 100")
    assert User.objects.get(email="wati@desk.example").staff_role == "tam"
    assert OutboxMail.objects.get().to_email == "wati@desk.example"
    assert "invited" in boss.page("/users/staff")


def test_roles_are_changed_and_the_last_administrator_stays(boss: Browser, budi: Browser) -> None:
    act(boss, budi.user, "role", role="administrator")
    assert User.objects.get(pk=budi.user.pk).staff_role == "administrator"
    act(boss, budi.user, "role", role="")
    assert User.objects.get(pk=budi.user.pk).staff_role == ""
    said = act(boss, boss.user, "role", role="representative").content.decode()
    assert "the desk needs a phone" in said  # no person of the desk
    said = act(boss, boss.user, "role", role="").content.decode()
    assert "Nobody would be left to administer" in said
    assert User.objects.get(pk=boss.user.pk).staff_role == "administrator"
    assert act(boss, boss.user, "role", role="king").status_code == 404


def test_who_is_kept_out_is_out_at_once(boss: Browser, budi: Browser) -> None:
    assert budi.get("/desk").status_code == 200
    assert "can no longer sign in" in act(boss, budi.user, "access", access="off").content.decode()
    assert budi.get("/desk").status_code == 302
    assert "disabled" in boss.page("/users/staff")
    assert "can sign in again" in act(boss, budi.user, "access", access="on").content.decode()
    told = "Nobody would be left"
    assert told in act(boss, boss.user, "access", access="off").content.decode()
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", "actor"))[-2:]
    by = f"user:{boss.user.email}"
    assert actions == [("disable_user", by), ("enable_user", by)]


def test_it_is_for_administrators_alone(
    boss: Browser, tina: Browser, owner: Browser, django_assert_num_queries: Any
) -> None:
    assert tina.get("/users/staff").status_code == 403
    assert owner.get("/users/staff").status_code == 404
    for browser, status in ((tina, 403), (owner, 404)):
        assert browser.post("/users/staff", WANTED).status_code == status
        for name in ("role", "access"):
            assert act(browser, boss.user, name, role="").status_code == status
    assert act(boss, owner.user, "role", role="tam").status_code == 404  # none of the staff
    with django_assert_num_queries(5):
        boss.page("/users/staff")
