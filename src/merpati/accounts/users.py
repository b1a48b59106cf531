"""The only writers of users and members. Each is one transaction with its audit entry.

`by` is the actor as the audit trail shows it ("cli:root", "user:sari@kirim.example"); `now` is
aware. An account keeps one owner who can sign in, and Merpati one administrator.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from merpati.accounts import audit, invitations
from merpati.accounts.actions import open_account
from merpati.accounts.errors import (
    AlreadyMember,
    InvalidUser,
    InvitationInvalid,
    LastAdministrator,
    LastOwner,
    MemberElsewhere,
    NotMember,
    UserNotFound,
)
from merpati.accounts.models import Account, Invitation, Language, Membership, User
from merpati.accounts.roles import Role, StaffRole


@dataclass(frozen=True, slots=True)
class Invited:
    """A user, new or known; token: of their link, nowhere kept, "" when they need none."""

    user: User
    token: str


def find_user(email: str) -> User:
    """Return who signs in with this address. Raises UserNotFound."""
    user = User.objects.filter(email=email.strip().lower()).first()
    if user is None:
        raise UserNotFound(email)
    return user


def invite(
    email: str,
    name: str,
    *,
    by: str,
    now: datetime,
    account_id: int | None = None,
    role: str = "",
    staff_role: str = "",
    language: str = "en",
    time_zone: str = "UTC",
) -> Invited:
    """Give somebody a part in an account, or in the staff; who is new gets a link.

    Name, language and zone of a user who is known stay their own. Raises InvalidUser,
    AccountNotFound, AccountClosed, AlreadyMember.
    """
    email = _checked_email(email)
    if (account_id is None) == (not staff_role):
        raise InvalidUser("Name either an account with a role, or a role in the staff.", "role")
    with transaction.atomic():
        user = User.objects.filter(email=email).first()
        if user is None:
            user = User(email=email, created_at=now)
            _set_profile(user, name, language, time_zone)
            user.set_unusable_password()
            user.save()
            audit.record("create_user", email, by=by, now=now, account_id=account_id, name=name)
        if account_id is None:
            set_staff_role(user.pk, staff_role, by=by, now=now)
            user.staff_role = staff_role
        else:
            _add_member(user, account_id, role, by=by, now=now)
        token = "" if user.has_usable_password() else invitations.make(user, by=by, now=now)
    return Invited(user, token)


def reset_user(user_id: int, *, by: str, now: datetime, is_second_factor_lost: bool = False) -> str:
    """End a user's sessions and password; return the token of a link to choose a new one.

    is_second_factor_lost: their authenticator, passkeys and recovery codes end too.
    Raises UserNotFound.
    """
    with transaction.atomic():
        user = _locked(user_id)
        user.set_unusable_password()  # sessions are bound to the password
        user.save(update_fields=["password"])
        if is_second_factor_lost:
            from allauth.mfa.models import Authenticator  # noqa: PLC0415 - slow, rarely needed

            Authenticator.objects.filter(user=user).delete()
        token = invitations.make(user, by=by, now=now)
        audit.record(
            "reset_user",
            user.email,
            by=by,
            now=now,
            account_id=None,
            second_factor=is_second_factor_lost,
        )
    return token


def accept_invitation(
    token: str, name: str, password: str, *, language: str, time_zone: str, now: datetime
) -> User:
    """Let the holder of a link choose name, password, language and zone; the link is used up.

    Raises InvitationInvalid, InvalidUser.
    """
    with transaction.atomic():
        invitation = invitations.find(token, now)
        # The conditional UPDATE is the lock: of two clicks at once, one finds no row.
        if not Invitation.objects.filter(pk=invitation.pk, used_at=None).update(used_at=now):
            raise InvitationInvalid
        user = _locked(invitation.user_id)
        _set_profile(user, name, language, time_zone)
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise InvalidUser(" ".join(error.messages), "password") from None
        user.set_password(password)
        user.save()
        audit.record("accept_invitation", user.email, by=actor(user), now=now, account_id=None)
    return user


def change_profile(
    user_id: int, name: str, *, language: str, time_zone: str, by: str, now: datetime
) -> User:
    """Change how a user is named and written to. Raises UserNotFound, InvalidUser."""
    with transaction.atomic():
        user = _locked(user_id)
        _set_profile(user, name, language, time_zone)
        user.save(update_fields=["name", "language", "time_zone"])
        audit.record("change_profile", user.email, by=by, now=now, account_id=None)
    return user


def set_member_role(account_id: int, user_id: int, role: str, *, by: str, now: datetime) -> None:
    """Change a member's role. Raises NotMember, InvalidUser, LastOwner."""
    role = _checked_role(role)
    with transaction.atomic():
        member = _member(account_id, user_id)
        if member.role == Role.OWNER and role != Role.OWNER:
            _check_another_owner(member.account, member.user)
        member.role = role
        member.save(update_fields=["role"])
        audit.record(
            "set_member_role", member.user.email, by=by, now=now, account_id=account_id, role=role
        )


def remove_member(account_id: int, user_id: int, *, by: str, now: datetime) -> None:
    """End a user's part in an account. Raises NotMember, LastOwner."""
    with transaction.atomic():
        member = _member(account_id, user_id)
        if member.role == Role.OWNER:
            _check_another_owner(member.account, member.user)
        member.delete()
        audit.record("remove_member", member.user.email, by=by, now=now, account_id=account_id)


def set_member_access(
    account_id: int, user_id: int, is_active: bool, *, by: str, now: datetime
) -> None:
    """Keep a member out, or let them in again, if this account is all they have a part in.

    Raises NotMember, LastOwner, MemberElsewhere.
    """
    with transaction.atomic():
        user = _member(account_id, user_id).user
        if user.staff_role or user.memberships.exclude(account=account_id).exists():
            raise MemberElsewhere(user.email)
        act = enable_user if is_active else disable_user
        act(user.pk, by=by, now=now)


def set_staff_role(user_id: int, staff_role: str, *, by: str, now: datetime) -> None:
    """Give a user a role in the staff, or none (""). Raises UserNotFound, InvalidUser,
    LastAdministrator."""
    if staff_role not in ("", *StaffRole.values):
        raise InvalidUser(
            f"There is no role {staff_role!r}; offered: {', '.join(StaffRole.values)}.",
            "staff_role",
        )
    with transaction.atomic():
        user = _locked(user_id)
        if user.staff_role == StaffRole.ADMINISTRATOR != staff_role:
            _check_another_administrator(user)
        user.staff_role = staff_role
        user.save(update_fields=["staff_role"])
        audit.record(
            "set_staff_role", user.email, by=by, now=now, account_id=None, staff_role=staff_role
        )


def disable_user(user_id: int, *, by: str, now: datetime) -> None:
    """Keep a user out, at once and until they are enabled; what they wrote stays.

    Raises UserNotFound, LastAdministrator, LastOwner.
    """
    with transaction.atomic():
        user = _locked(user_id)
        if user.staff_role == StaffRole.ADMINISTRATOR:
            _check_another_administrator(user)
        for member in user.memberships.filter(role=Role.OWNER).select_related("account"):
            _check_another_owner(member.account, user)
        _set_active(user, False, "disable_user", by=by, now=now)


def enable_user(user_id: int, *, by: str, now: datetime) -> None:
    """Let a disabled user sign in again. Raises UserNotFound."""
    with transaction.atomic():
        _set_active(_locked(user_id), True, "enable_user", by=by, now=now)


def actor(user: User) -> str:
    """Return how the audit trail names what a user does."""
    return f"user:{user.email}"


def _add_member(user: User, account_id: int, role: str, *, by: str, now: datetime) -> None:
    role = _checked_role(role)
    account = open_account(account_id)
    _, is_new = Membership.objects.get_or_create(
        user=user, account=account, defaults={"role": role, "created_at": now}
    )
    if not is_new:
        raise AlreadyMember(user.email)
    audit.record("add_member", user.email, by=by, now=now, account_id=account_id, role=role)


def _set_active(user: User, is_active: bool, action: str, *, by: str, now: datetime) -> None:
    user.is_active = is_active
    user.save(update_fields=["is_active"])
    audit.record(action, user.email, by=by, now=now, account_id=None)


def _locked(user_id: int) -> User:
    user = User.objects.select_for_update().filter(pk=user_id).first()
    if user is None:
        raise UserNotFound(str(user_id))
    return user


def _member(account_id: int, user_id: int) -> Membership:
    Account.objects.select_for_update().filter(pk=account_id).first()  # two may leave at once
    member = (
        Membership.objects.filter(account_id=account_id, user_id=user_id)
        .select_related("user", "account")
        .first()
    )
    if member is None:
        raise NotMember(str(user_id))
    return member


def _check_another_owner(account: Account, user: User) -> None:
    Account.objects.select_for_update().filter(pk=account.pk).first()
    others = Membership.objects.filter(account=account, role=Role.OWNER, user__is_active=True)
    if not others.exclude(user=user).exists():
        raise LastOwner(account.name)


def _check_another_administrator(user: User) -> None:
    able = User.objects.select_for_update().filter(
        staff_role=StaffRole.ADMINISTRATOR, is_active=True
    )
    if not [found for found in able if found != user]:
        raise LastAdministrator


def _set_profile(user: User, name: str, language: str, time_zone: str) -> None:
    name = name.strip()
    if not name or len(name) > 200 or not name.isprintable():
        raise InvalidUser("A name has 1 to 200 printable characters.", "name")
    if language not in Language.values:
        raise InvalidUser(
            f"There is no language {language!r}; offered: {', '.join(Language.values)}.", "language"
        )
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidUser(
            f"There is no time zone {time_zone[:64]!r}; write it as Asia/Jakarta.", "time_zone"
        ) from None
    user.name, user.language, user.time_zone = name, language, time_zone


def _checked_role(role: str) -> str:
    if role not in Role.values:
        raise InvalidUser(f"There is no role {role!r}; offered: {', '.join(Role.values)}.", "role")
    return role


def _checked_email(email: str) -> str:
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise InvalidUser(
            f"{email[:100]!r} is no email address; write sari@kirim.example.", "email"
        ) from None
    return email
