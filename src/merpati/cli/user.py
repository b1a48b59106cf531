"""`merpati user`: who signs in to the console, as what, and how they get in again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Group, common_options, say, show, table
from merpati.runtime.setup import setup
from merpati.settings import load

if TYPE_CHECKING:
    from merpati.accounts.models import User
    from merpati.console.sign_in.mail import Invitation

ROLES = ("owner", "developer", "viewer")
STAFF_ROLES = ("tam", "representative", "administrator")


@click.group(
    cls=Group,
    examples=(
        "merpati user create sari@kirim.example --name Sari --account 'Toko Kirim' --role owner",
        "merpati user create tari@desk.example --name Tari --staff administrator",
        "merpati user list",
    ),
)
def user() -> None:
    """Invite people to the console, and say what they may do."""


@user.command(
    "create",
    examples=(
        "merpati user create sari@kirim.example --name Sari --account 1 --role owner --language id",
        "merpati user create tari@desk.example --name Tari --staff administrator",
    ),
)
@click.argument("email")
@click.option("--name", required=True, help="As others read it.")
@click.option("--account", "reference", metavar="ACCOUNT", help="A customer's, number or name.")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True,
              help="What they may do in the account.")  # fmt: skip
@click.option("--staff", type=click.Choice(STAFF_ROLES), help="Instead of an account: our own.")
@click.option("--language", type=click.Choice(["en", "id"]), default="en", show_default=True)
@click.option("--time-zone", default="UTC", show_default=True, metavar="ZONE",
              help="IANA name, such as Asia/Jakarta.")  # fmt: skip
@common_options
def create(
    email: str,
    *,
    name: str,
    reference: str | None,
    role: str,
    staff: str | None,
    language: str,
    time_zone: str,
    data: Path,
    as_json: bool,
) -> None:
    """Invite somebody by email, and print the link; who is known gets another part."""
    if (reference is None) == (staff is None):
        raise click.UsageError("Give either --account (with --role) or --staff.")
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.console.sign_in.mail import invite_by_mail  # noqa: PLC0415

    part: dict[str, Any] = (
        {"staff_role": staff}
        if reference is None
        else {"account_id": find_account(reference).pk, "role": role}
    )
    invited = invite_by_mail(
        email,
        name,
        console_url=load(data).console_url,
        by=actor(),
        now=now(),
        language=language,
        time_zone=time_zone,
        **part,
    )
    _show_link(invited, as_json)


@user.command("list", examples=("merpati user list", "merpati user list --account 1 --json"))
@click.option("--account", "reference", metavar="ACCOUNT", help="Members of this account alone.")
@common_options
def list_users(reference: str | None, data: Path, as_json: bool) -> None:
    """List who can sign in, and as what."""
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.accounts.models import User  # noqa: PLC0415

    found = User.objects.prefetch_related("memberships__account").order_by("email")
    if reference is not None:
        found = found.filter(memberships__account=find_account(reference))
    rows = [_document(each) for each in found]
    head = ("email", "name", "staff_role", "accounts", "state", "last_sign_in_at")
    cells = [
        [", ".join(row[name]) if name == "accounts" else row[name] or None for name in head]
        for row in rows
    ]
    empty = "nobody yet; merpati user create EMAIL --name NAME --staff administrator"
    show({"users": rows}, table(head, cells, empty), as_json)


@user.command("show", examples=("merpati user show sari@kirim.example",))
@click.argument("email")
@common_options
def show_user(email: str, data: Path, as_json: bool) -> None:
    """Show a user: parts, second factor, and which privacy notice they agreed to."""
    setup(data)
    from allauth.mfa.models import Authenticator  # noqa: PLC0415 - needs Django set up

    from merpati.accounts.users import find_user  # noqa: PLC0415

    found = find_user(email)
    second = Authenticator.objects.filter(user=found).order_by("pk")
    agreed = found.privacy_acknowledgements.order_by("-pk").first()
    document = {
        **_document(found),
        "language": found.language,
        "time_zone": found.time_zone,
        "second_factors": [each.type for each in second],
        "privacy_notice": agreed and agreed.version,
        "privacy_notice_at": agreed and agreed.acknowledged_at,
        "created_at": found.created_at,
    }
    lines = [
        f"{name:<19}{', '.join(value) if isinstance(value, list) else value}"
        for name, value in document.items()
        if value not in (None, "", [])
    ]
    show(document, "\n".join(lines), as_json)


@user.command(
    "role",
    examples=(
        "merpati user role sari@kirim.example developer --account 1",
        "merpati user role sari@kirim.example none --account 1   # removes them",
        "merpati user role tari@desk.example tam --staff",
    ),
)
@click.argument("email")
@click.argument("role", type=click.Choice([*ROLES, *STAFF_ROLES, "none"]))
@click.option("--account", "reference", metavar="ACCOUNT", help="In this account.")
@click.option("--staff", is_flag=True, help="In the staff.")
@common_options
def role(
    email: str, role: str, *, reference: str | None, staff: bool, data: Path, as_json: bool
) -> None:
    """Change what a user may do, in an account or in the staff; none ends it."""
    if (reference is None) != staff:
        raise click.UsageError("Give either --account or --staff.")
    setup(data)
    from merpati.accounts import users  # noqa: PLC0415 - needs Django set up
    from merpati.accounts.actions import find_account  # noqa: PLC0415

    found, by = users.find_user(email), actor()
    if reference is None:
        users.set_staff_role(found.pk, "" if role == "none" else role, by=by, now=now())
    elif role == "none":
        users.remove_member(find_account(reference).pk, found.pk, by=by, now=now())
    else:
        users.set_member_role(find_account(reference).pk, found.pk, role, by=by, now=now())
    _show(users.find_user(email), as_json)


@user.command("disable", examples=("merpati user disable sari@kirim.example",))
@click.argument("email")
@common_options
def disable(email: str, data: Path, as_json: bool) -> None:
    """Keep a user out, at once, until they are enabled; what they wrote stays."""
    setup(data)
    from merpati.accounts import users  # noqa: PLC0415 - needs Django set up

    users.disable_user(users.find_user(email).pk, by=actor(), now=now())
    _show(users.find_user(email), as_json)


@user.command("enable", examples=("merpati user enable sari@kirim.example",))
@click.argument("email")
@common_options
def enable(email: str, data: Path, as_json: bool) -> None:
    """Let a disabled user sign in again."""
    setup(data)
    from merpati.accounts import users  # noqa: PLC0415 - needs Django set up

    users.enable_user(users.find_user(email).pk, by=actor(), now=now())
    _show(users.find_user(email), as_json)


@user.command(
    "reset",
    examples=(
        "merpati user reset sari@kirim.example",
        "merpati user reset sari@kirim.example --second-factor   # the phone is lost",
    ),
)
@click.argument("email")
@click.option("--second-factor", is_flag=True, help="Authenticator, passkeys and codes end too.")
@common_options
def reset(email: str, second_factor: bool, data: Path, as_json: bool) -> None:
    """End a user's password and sessions; mail and print a link to choose a new password."""
    setup(data)
    from merpati.accounts.users import find_user  # noqa: PLC0415 - needs Django set up
    from merpati.console.sign_in.mail import reset_by_mail  # noqa: PLC0415

    done = reset_by_mail(
        find_user(email),
        console_url=load(data).console_url,
        by=actor(),
        now=now(),
        is_second_factor_lost=second_factor,
    )
    _show_link(done, as_json)


def _document(found: User) -> dict[str, Any]:
    state = "active" if found.has_usable_password() else "invited"
    return {
        "email": found.email,
        "name": found.name,
        "staff_role": found.staff_role or None,
        "accounts": [f"{m.account.name} ({m.role})" for m in found.memberships.all()],
        "state": state if found.is_active else "disabled",
        "last_sign_in_at": found.last_login,
    }


def _show(found: User, as_json: bool) -> None:
    document = _document(found)
    parts = ", ".join([*document["accounts"], *filter(None, [document["staff_role"]])])
    show(document, f"{found}: {parts or 'no part'}, {document['state']}", as_json)


def _show_link(invited: Invitation, as_json: bool) -> None:
    document = {
        **_document(invited.user),
        "link": invited.link or None,
        "expires_at": invited.expires_at,
    }
    text = invited.link or f"{invited.user} has a password, and signs in as before."
    show(document, text, as_json)
    if invited.link:
        say(
            f"Works once, for seven days. {invited.user.email} gets it by email too, where the "
            "setting desk.account allows Merpati mail of its own."
        )
