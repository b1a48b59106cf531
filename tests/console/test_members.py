"""Members of an account, all users, the order form and the privacy notice, by who is looking."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from merpati.accounts import order_form, privacy, users
from merpati.accounts.models import Membership, PrivacyAcknowledgement, User
from merpati.console.views.privacy import Block, blocks
from merpati.sending.models import OutboxMail
from tests.console.conftest import Browser, add_user
from tests.desk.cases import BY, MONDAY, Desk
from tests.support.control import make_account

TEXTS = {"en": "# News\nWe keep less.", "id": "# Kabar\nKami menyimpan lebih sedikit."}


@pytest.fixture(autouse=True)
def _settings(desk: Desk, settings: Any) -> None:
    settings.CONSOLE_URL = "https://mail.kirim.example"


def of(desk: Desk, **more: str) -> dict[str, str]:
    """Return a form of the account."""
    return {"account": str(desk.account.pk), **more}


def members(desk: Desk) -> dict[str, str]:
    found = Membership.objects.filter(account=desk.account).select_related("user")
    return {member.user.name: member.role for member in found}


# --- members ---


def test_an_owner_invites_changes_and_removes(desk: Desk, owner: Browser) -> None:
    new = {"email": "wati@kirim.example", "name": "Wati", "role": "viewer", "language": "id"}
    assert owner.post("/users", of(desk, **new)).status_code == 302
    assert OutboxMail.objects.get().subject.startswith("Anda diundang")
    page = owner.page("/users")
    assert "An email is on its way to wati@kirim.example." in page
    assert "invited" in page
    wati = User.objects.get(email="wati@kirim.example")
    assert owner.post(f"/users/{wati.pk}/role", of(desk, role="developer")).status_code == 302
    assert members(desk) == {"Sari": "owner", "Wati": "developer"}
    assert owner.post(f"/users/{wati.pk}/remove", of(desk)).status_code == 302
    assert members(desk) == {"Sari": "owner"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"email": "sari@kirim.example"}, "a member already"), ({"email": "x"}, "error"),
     ({"name": "\u200b"}, "printable"), ({"role": "boss"}, "error")],
)  # fmt: skip
def test_an_invitation_that_cannot_be_is_told_at_its_field(
    desk: Desk, owner: Browser, wrong: dict[str, str], said: str
) -> None:
    good = {"email": "wati@kirim.example", "name": "Wati", "role": "viewer", "language": "id"}
    answer = owner.post("/users", of(desk, **{**good, **wrong}))
    assert answer.status_code == 400
    page = answer.content.decode()
    assert said in page
    assert "error-summary" in page
    assert members(desk) == {"Sari": "owner"}


def test_the_last_owner_stays_and_the_page_says_why(desk: Desk, owner: Browser) -> None:
    owner.post(f"/users/{owner.user.pk}/remove", of(desk))
    assert "would have no owner" in owner.page("/users")
    assert members(desk) == {"Sari": "owner"}


def test_an_owner_keeps_a_member_out_and_lets_them_in_again(
    desk: Desk, owner: Browser, colleague: Browser
) -> None:
    path = f"/users/{colleague.user.pk}/access"
    assert f'action="{path}"' in owner.page("/users")
    assert f"/users/{owner.user.pk}/access" not in owner.page("/users")  # themselves
    owner.post(path, of(desk, access="off"))
    assert "signed out everywhere" in owner.page("/users")
    assert colleague.get("/users").status_code == 302  # to sign in
    owner.post(path, of(desk, access="on"))
    assert User.objects.get(pk=colleague.user.pk).is_active


def test_who_has_a_part_elsewhere_is_not_kept_out_by_one_account(
    desk: Desk, owner: Browser, colleague: Browser
) -> None:
    other = make_account("Another")
    users.invite(
        colleague.user.email, "Citra", account_id=other.pk, role="viewer", by=BY, now=MONDAY
    )
    path = f"/users/{colleague.user.pk}/access"
    assert path not in owner.page("/users")
    owner.post(path, of(desk, access="off"))
    assert "remove them from this account instead" in owner.page("/users")
    assert User.objects.get(pk=colleague.user.pk).is_active
    boss = Browser(add_user("Agus", staff_role="administrator"))
    assert f"/users/all/{colleague.user.pk}/access" in boss.page("/users/all")
    answer = boss.post(f"/users/all/{colleague.user.pk}/access", {"access": "off", "list": "all"})
    assert answer["Location"] == "/users/all"
    assert not User.objects.get(pk=colleague.user.pk).is_active


def test_a_colleague_sees_members_and_changes_nothing(
    desk: Desk, owner: Browser, colleague: Browser
) -> None:
    page = colleague.page("/users")
    assert "sari@kirim.example" in page
    assert "Invite somebody" not in page
    acts = [f"/users/{owner.user.pk}/{name}" for name in ("role", "remove", "access")]
    for path in ("/users", *acts):
        assert colleague.post(path, of(desk, role="viewer")).status_code == 403
    assert members(desk) == {"Sari": "owner", "Citra": "viewer"}


def test_a_stranger_sees_and_changes_their_own_account_alone(
    desk: Desk, owner: Browser, stranger: Browser
) -> None:
    assert "sari@kirim.example" not in stranger.page("/users")
    for path in [f"/users/{owner.user.pk}/{name}" for name in ("role", "remove", "access")]:
        assert stranger.post(path, of(desk, role="viewer")).status_code == 404
        own = Membership.objects.get(user=stranger.user).account_id
        assert stranger.post(path, {"role": "viewer", "account": own}).status_code == 404
        assert stranger.post(path, {"role": "viewer"}).status_code == 404
    assert members(desk) == {"Sari": "owner"}
    assert Client().get("/users")["Location"] == "/sign-in?next=%2Fusers"


def test_the_queries_of_the_list_do_not_grow_with_it(
    desk: Desk, owner: Browser, django_assert_num_queries: Any
) -> None:
    for number in range(10):
        add_user(f"Member{number}", desk.account)
    with django_assert_num_queries(5):
        owner.page("/users")


def test_all_users_are_shown_to_staff_who_look_after_them(
    desk: Desk, owner: Browser, django_assert_num_queries: Any
) -> None:
    privacy.acknowledge(owner.user, "1", "id", by=BY, now=MONDAY)
    administrator = Browser(add_user("Agus", staff_role="administrator"))
    with django_assert_num_queries(8):
        page = administrator.page("/users/all")
    assert f"{desk.account.name} (Owner)" in page
    assert ">1, March 2, 2026, id</td>" in page
    assert "sari@" not in administrator.page("/users/all", q="agus")
    assert "Nobody matches" in administrator.page("/users/all", q="zzz")
    representative = Browser(add_user("Budi", staff_role="representative"))
    assert representative.get("/users/all").status_code == 403
    assert owner.get("/users/all").status_code == 404


# --- you ---


def test_language_and_zone_are_a_setting_of_the_user(owner: Browser) -> None:
    given = {"name": "Sari Dewi", "language": "id", "time_zone": "Asia/Makassar"}
    assert owner.post("/me", given).status_code == 302
    page = owner.page("/me")
    assert '<html lang="id"' in page
    assert "Tersimpan." in page
    assert '<option value="Asia/Makassar" selected>' in page
    assert owner.post("/me", {**given, "time_zone": "Mars/Base"}).status_code == 400
    owner.post("/language", {"language": "en", "next": "/me"})
    assert '<html lang="en"' in owner.page("/me")
    assert User.objects.get(pk=owner.user.pk).language == "en"


# --- order form ---


def test_an_owner_acknowledges_exclusions_in_their_language(
    desk: Desk, owner: Browser, colleague: Browser, stranger: Browser
) -> None:
    assert "I acknowledge" not in colleague.page("/order-form")
    assert colleague.post("/order-form", of(desk)).status_code == 403
    assert "I acknowledge" in owner.page("/order-form")
    owner.post("/language", {"language": "id"})
    owner.post("/order-form", {"account": "0"})  # another account's form
    assert not desk.account.order_acknowledgements.exists()
    assert owner.post("/order-form", of(desk)).status_code == 302
    record = desk.account.order_acknowledgements.get()
    assert (record.language, record.user, record.acknowledged_at) == ("id", owner.user, MONDAY)
    assert record.acknowledged_by == "Sari <sari@kirim.example>"
    assert set(record.wordings) == set(order_form.Exclusion)
    assert "Acknowledged by Sari" in colleague.page("/order-form")
    owner.post("/order-form", of(desk))  # a second click records nothing more
    assert desk.account.order_acknowledgements.count() == 1
    assert "sari@kirim.example" not in stranger.page("/order-form")


# --- privacy notice ---


def test_anybody_reads_the_notice_in_their_language(client: Client, db: None) -> None:
    english = client.get("/privacy").content.decode()
    assert "<h2>Your rights</h2>" in english
    assert "I agree" not in english
    indonesian = client.get("/privacy", headers={"accept-language": "id"}).content.decode()
    assert "<h2>Hak Anda</h2>" in indonesian


def test_a_new_version_comes_before_the_next_page_and_leads_back(owner: Browser) -> None:
    assert owner.get("/me").status_code == 200
    privacy.publish("2027-01", TEXTS, by=BY, now=MONDAY)
    led = owner.get("/me?tab=1")
    assert led["Location"] == "/privacy?next=%2Fme%3Ftab%3D1"
    part = owner.get("/me", headers={"HX-Request": "true"})
    assert part["HX-Redirect"] == "/privacy?next=%2Fme"
    # Looking agrees to nothing, and a form under way is not lost.
    assert "We keep less." in owner.page(led["Location"])
    assert owner.post("/me", {"name": "S", "language": "en", "time_zone": "UTC"}).status_code == 302
    assert not PrivacyAcknowledgement.objects.exists()
    old = owner.post("/privacy", {"version": "1", "next": "/me"})
    assert old["Location"] == "/privacy"
    agreed = owner.post("/privacy", {"version": "2027-01", "next": "/me?tab=1"})
    assert agreed["Location"] == "/me?tab=1"
    assert owner.get("/me?tab=1").status_code == 200
    record = PrivacyAcknowledgement.objects.get()
    assert (record.user, record.version, record.language) == (owner.user, "2027-01", "en")
    assert record.acknowledged_at == MONDAY
    assert "You agreed to this version" in owner.page("/privacy")


def test_agreeing_leads_to_no_other_host(owner: Browser) -> None:
    assert 'name="next" value="/"' in owner.page("/privacy", next="https://evil.example/")
    answer = owner.post("/privacy", {"version": "1", "next": "https://evil.example/"})
    assert answer["Location"] == "/"


def test_the_parts_of_a_notice_are_told_apart() -> None:
    assert blocks("First\nline.\n\n# Head\n- one\n- two\n  lines\n\n- other <b>") == [
        Block("paragraph", ["First", "line."]),
        Block("heading", ["Head"]),
        Block("list", ["one", "two lines"]),
        Block("list", ["other <b>"]),
    ]
