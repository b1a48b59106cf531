"""Users, invitations and members: what is refused, what is kept, and who is never the last."""

from __future__ import annotations

from datetime import timedelta

import pytest

from merpati.accounts import users
from merpati.accounts.errors import (
    AlreadyMember,
    InvalidUser,
    InvitationInvalid,
    LastAdministrator,
    LastOwner,
    NotMember,
)
from merpati.accounts.models import AuditEntry, Invitation, Membership, User
from tests.support.control import BY, NOW, make_account

pytestmark = pytest.mark.django_db

PASSWORD = "kopi-tubruk-pagi"


def invite(email: str, **part: object) -> users.Invited:
    return users.invite(email, "Sari", by=BY, now=NOW, **part)  # type: ignore[arg-type]


def accept(token: str, password: str = PASSWORD, now: object = NOW) -> User:
    return users.accept_invitation(
        token, "Sari Dewi", password, language="id", time_zone="Asia/Jakarta", now=now
    )


def test_an_invitation_is_used_once_and_kept_as_a_hash() -> None:
    invited = invite("Sari@Kirim.example", account_id=make_account().pk, role="owner")
    assert invited.user.email == "sari@kirim.example"
    assert not Invitation.objects.filter(token_hash=invited.token).exists()
    user = accept(invited.token)
    assert (user.name, user.language, user.time_zone) == ("Sari Dewi", "id", "Asia/Jakarta")
    assert user.check_password(PASSWORD)
    assert user.password.startswith("argon2")
    with pytest.raises(InvitationInvalid):
        accept(invited.token)


def test_an_invitation_ends_after_seven_days_and_with_the_next_one() -> None:
    invited = invite("sari@kirim.example", staff_role="administrator")
    with pytest.raises(InvitationInvalid):
        accept(invited.token, now=NOW + timedelta(days=7))
    newer = users.reset_user(invited.user.pk, by=BY, now=NOW)
    with pytest.raises(InvitationInvalid):
        accept(invited.token)
    accept(newer)


@pytest.mark.parametrize("token", ["", "x", "\udcff", "ä"])
def test_a_made_up_token_is_refused(token: str) -> None:
    with pytest.raises(InvitationInvalid):
        accept(token)


def test_a_weak_password_is_refused_and_uses_no_link_up() -> None:
    invited = invite("sari@kirim.example", staff_role="administrator")
    for weak in ("short", "password123", "sari@kirim.example"):
        with pytest.raises(InvalidUser) as refused:
            accept(invited.token, weak)
        assert refused.value.field == "password"
    accept(invited.token)


def test_who_is_known_gets_another_part_and_no_link() -> None:
    first, second = make_account(), make_account()
    accept(invite("sari@kirim.example", account_id=first.pk, role="owner").token)
    again = invite("sari@kirim.example", account_id=second.pk, role="viewer")
    assert again.token == ""
    assert again.user.name == "Sari Dewi"
    with pytest.raises(AlreadyMember):
        invite("sari@kirim.example", account_id=second.pk, role="owner")


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"email": "sari", "staff_role": "tam"}, "email"),
        ({"name": " ", "staff_role": "tam"}, "name"),
        ({"staff_role": "boss"}, "staff_role"),
        ({"staff_role": "tam", "language": "fr"}, "language"),
        ({"staff_role": "tam", "time_zone": "../etc"}, "time_zone"),
        ({"staff_role": "tam", "account_id": 1, "role": "owner"}, "role"),
        ({}, "role"),
    ],
)
def test_what_cannot_be_used_is_named_and_changes_nothing(
    part: dict[str, object], field: str
) -> None:
    whole: dict[str, object] = {"email": "sari@kirim.example", "name": "Sari", **part}
    with pytest.raises(InvalidUser) as refused:
        users.invite(by=BY, now=NOW, **whole)  # type: ignore[arg-type]
    assert refused.value.field == field
    assert not User.objects.exists()


def test_an_account_keeps_an_owner_who_can_sign_in() -> None:
    account = make_account()
    owner = invite("sari@kirim.example", account_id=account.pk, role="owner").user
    second = invite("budi@kirim.example", account_id=account.pk, role="owner").user
    users.disable_user(second.pk, by=BY, now=NOW)
    for act in (
        lambda: users.set_member_role(account.pk, owner.pk, "viewer", by=BY, now=NOW),
        lambda: users.remove_member(account.pk, owner.pk, by=BY, now=NOW),
        lambda: users.disable_user(owner.pk, by=BY, now=NOW),
    ):
        with pytest.raises(LastOwner):
            act()
    users.enable_user(second.pk, by=BY, now=NOW)
    users.remove_member(account.pk, owner.pk, by=BY, now=NOW)
    assert Membership.objects.get().user == second
    with pytest.raises(NotMember):
        users.set_member_role(account.pk, owner.pk, "owner", by=BY, now=NOW)


def test_the_last_administrator_stays() -> None:
    first = invite("sari@desk.example", staff_role="administrator").user
    second = invite("budi@desk.example", staff_role="administrator").user
    users.disable_user(second.pk, by=BY, now=NOW)
    with pytest.raises(LastAdministrator):
        users.disable_user(first.pk, by=BY, now=NOW)
    with pytest.raises(LastAdministrator):
        users.set_staff_role(first.pk, "", by=BY, now=NOW)
    users.set_staff_role(first.pk, "administrator", by=BY, now=NOW)
    users.enable_user(second.pk, by=BY, now=NOW)
    users.set_staff_role(first.pk, "tam", by=BY, now=NOW)
    assert User.objects.get(pk=first.pk).staff_role == "tam"


def test_a_reset_ends_password_and_if_asked_the_second_factor() -> None:
    from allauth.mfa.models import Authenticator  # noqa: PLC0415

    user = accept(invite("sari@desk.example", staff_role="administrator").token)
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})
    before = user.get_session_auth_hash()
    users.reset_user(user.pk, by=BY, now=NOW)
    user.refresh_from_db()
    assert not user.has_usable_password()
    assert user.get_session_auth_hash() != before
    assert Authenticator.objects.exists()
    users.reset_user(user.pk, by=BY, now=NOW, is_second_factor_lost=True)
    assert not Authenticator.objects.exists()


def test_every_change_is_in_the_audit_trail_and_no_secret_is() -> None:
    account = make_account()
    invited = invite("sari@kirim.example", account_id=account.pk, role="owner")
    user = accept(invited.token)
    users.change_profile(
        user.pk, "Sari", language="en", time_zone="UTC", by=users.actor(user), now=NOW
    )
    users.set_member_role(account.pk, user.pk, "owner", by=BY, now=NOW)
    trail = AuditEntry.objects.filter(subject="sari@kirim.example").order_by("pk")
    assert [entry.action for entry in trail] == [
        "create_user",
        "add_member",
        "accept_invitation",
        "change_profile",
        "set_member_role",
    ]
    assert trail[2].actor == "user:sari@kirim.example"
    said = " ".join(str(entry.detail) for entry in trail)
    assert invited.token not in said
    assert PASSWORD not in said
