"""Mail about signing in: invitations, new passwords, changes of what somebody signs in with.

Each is posted in the transaction of what it tells of, in the language of whom it goes to. The link
in it is a secret until it is used: it is in no log and no audit entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.formats import date_format
from django.utils.translation import gettext, override

from merpati.accounts import users
from merpati.accounts.actions import open_account
from merpati.accounts.invitations import VALID_FOR
from merpati.accounts.keys import hash_of
from merpati.accounts.models import User
from merpati.accounts.roles import StaffRole
from merpati.desk.people import find_person
from merpati.sending.own_mail import OwnMail, post


@dataclass(frozen=True, slots=True)
class Invitation:
    """Whom a mail was posted to; link: to choose a password, "" when they have one."""

    user: User
    link: str
    expires_at: datetime | None


def invite_by_mail(
    email: str, name: str, *, console_url: str, by: str, now: datetime, **part: Any
) -> Invitation:
    """Invite somebody as `users.invite` does, and write to them.

    Who becomes TAM or representative must be a person of the desk. Raises what `users.invite`
    raises, PersonNotFound.
    """
    if part.get("staff_role") in {StaffRole.TAM, StaffRole.REPRESENTATIVE}:
        find_person(email)
    with transaction.atomic():
        invited = users.invite(email, name, by=by, now=now, **part)
        account_id = part.get("account_id")
        where = "Merpati" if account_id is None else open_account(account_id).name
        if invited.token:
            return _post_invitation(invited.user, where, invited.token, console_url, now)
        _post_part(invited.user, where, console_url, now)
        return Invitation(invited.user, "", None)


def reset_by_mail(
    user: User, *, console_url: str, by: str, now: datetime, is_second_factor_lost: bool
) -> Invitation:
    """Reset a user as `users.reset_user` does, and write to them. Raises UserNotFound."""
    with transaction.atomic():
        token = users.reset_user(
            user.pk, by=by, now=now, is_second_factor_lost=is_second_factor_lost
        )
        link, expires_at = _link(console_url, token), now + VALID_FOR
        with override(user.language):
            _post(
                user,
                gettext("Choose a new password"),
                gettext(
                    "an administrator ended your password, so that you choose a new one:\n\n"
                    "%(link)s\n\n"
                    "The link works once, until %(until)s."
                )
                % {"link": link, "until": _moment(user, expires_at)},
                key=f"reset {hash_of(token)}",
                now=now,
            )
    return Invitation(user, link, expires_at)


def post_new_password(user: User, link: str, now: datetime) -> None:
    """Write to somebody who forgot their password."""
    with override(user.language):
        _post(
            user,
            gettext("Choose a new password"),
            gettext(
                "you, or somebody who knows your address, asked for a new password. Choose it "
                "here, within one hour:\n\n"
                "%(link)s\n\n"
                "If you did not ask, do nothing: your password stays as it is."
            )
            % {"link": link},
            key=f"password {hash_of(link)}",
            now=now,
        )


def post_change(user: User, what: str, request_of: Mapping[str, str], now: datetime) -> None:
    """Write to somebody that what they sign in with has changed; `what`: in their language.

    request_of: "address" and "device" the change came from, and the "link" to the console.
    """
    with override(user.language):
        _post(
            user,
            what,
            gettext(
                "this was changed on %(when)s, from the address %(address)s (%(device)s):\n\n"
                "%(what)s\n\n"
                "If it was not you, choose a new password at once and tell us:\n\n"
                "%(link)s"
            )
            % {"when": _moment(user, now), "what": what, **request_of},
            key=f"change {user.pk} {now.isoformat()} {what}",
            now=now,
        )


def _post_invitation(
    user: User, where: str, token: str, console_url: str, now: datetime
) -> Invitation:
    link, expires_at = _link(console_url, token), now + VALID_FOR
    with override(user.language):
        _post(
            user,
            gettext("You are invited to %(where)s") % {"where": where},
            gettext(
                "you are invited to sign in to %(where)s. Choose a password here:\n\n"
                "%(link)s\n\n"
                "The link works once, until %(until)s. If you expected no invitation, do nothing: "
                "nobody can sign in with your address."
            )
            % {"where": where, "link": link, "until": _moment(user, expires_at)},
            key=f"invitation {hash_of(token)}",
            now=now,
        )
    return Invitation(user, link, expires_at)


def _post_part(user: User, where: str, console_url: str, now: datetime) -> None:
    with override(user.language):
        _post(
            user,
            gettext("You now belong to %(where)s") % {"where": where},
            gettext("you now belong to %(where)s too. Sign in as always:\n\n%(link)s")
            % {"where": where, "link": console_url},
            key=f"part {user.pk} {now.isoformat()} {where}",
            now=now,
        )


def _post(user: User, subject: str, text: str, *, key: str, now: datetime) -> None:
    greeting = gettext("Hello %(name)s,") % {"name": user.name}
    mail = OwnMail(user.email, subject, f"{greeting}\n\n{text}\n", to_name=user.name)
    post(mail, key=key[:200], now=now)


def _link(console_url: str, token: str) -> str:
    return f"{console_url}/invitation/{quote(token)}"


def _moment(user: User, moment: datetime) -> str:
    zone = ZoneInfo(user.time_zone)
    return f"{date_format(moment.astimezone(zone), 'j F Y H:i')} ({zone.key})"
