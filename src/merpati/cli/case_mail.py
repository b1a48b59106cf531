"""`merpati case mail`: the mail that came in for the desk, and where a person puts it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Group, common_options, printable, show, table
from merpati.runtime.setup import setup

if TYPE_CHECKING:
    from merpati.desk.models import ReceivedMail
    from merpati.desk.parties import Party

STATES = ("unassigned", "filed", "opened", "added", "rejected")


@click.group(
    cls=Group,
    examples=(
        "merpati case mail list",
        "merpati case mail show 12",
        "merpati case mail attach 12 7 --as budi@desk.example",
        "merpati case mail open 12 --account 1 --as budi@desk.example",
        "merpati case mail reject 12 'Advertising' --as budi@desk.example",
    ),
)
def mail() -> None:
    """Sort the mail that waits for a person.

    Mail whose sender nothing proves, or who is nobody's contact, becomes part of no case by
    itself. Attach it once you know that it is genuine, or set it aside.
    """


@mail.command(
    "list",
    examples=(
        "merpati case mail list",
        "merpati case mail list --state filed --limit 500",
        "merpati case mail list --case 7 --json",
    ),
)
@click.option("--state", type=click.Choice(STATES), help="[default: unassigned, or any of a case]")
@click.option("--case", "number", type=click.IntRange(1), help="Only what belongs to this case.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="How many of the newest to show.",
)
@common_options
def list_mail(
    *, state: str | None, number: int | None, limit: int, data: Path, as_json: bool
) -> None:
    """List what waits for a person, the newest first, with the reason."""
    setup(data)
    from merpati.desk.models import ReceivedMail  # noqa: PLC0415 - needs Django set up

    found = ReceivedMail.objects.order_by("-pk")
    if number is not None:
        found = found.filter(case_id=number)
    if state or number is None:
        found = found.filter(state=state or "unassigned")
    mails = list(found[:limit])
    head = ("mail", "received", "from", "subject", "state", "why")
    rows = [
        (
            *(str(m.pk), f"{m.received_at:%Y-%m-%d %H:%M}", m.from_email or "nobody"),
            *(m.subject, m.state, m.reason),
        )
        for m in mails
    ]
    show({"mails": [_document(m) for m in mails]}, table(head, rows, "no such mail"), as_json)


@mail.command("show", examples=("merpati case mail show 12", "merpati case mail show 12 --json"))
@click.argument("mail_id", metavar="MAIL", type=click.IntRange(1))
@common_options
def show_mail(mail_id: int, data: Path, as_json: bool) -> None:
    """Show a mail: who it claims to be from, what proves it, and its text."""
    setup(data)
    from merpati.desk.mail.sorting import find_mail  # noqa: PLC0415 - needs Django set up

    found = find_mail(mail_id)
    lines = [
        f"From: {found.from_name} <{found.from_email}>",
        f"Subject: {found.subject}",
        f"came {found.received_at:%Y-%m-%d %H:%M} UTC from {found.peer} ({found.helo}), envelope "
        f"sender <{found.msg_from}>, to {found.rcpt_to}",
        f"proof: {found.get_proof_display()}",
        f"state: {found.get_state_display()}{': ' if found.reason else ''}{found.reason}",
        "",
        *found.text.split("\n"),
    ]
    document = _document(found) | {"text": found.text}
    show(document, "\n".join(map(printable, lines)), as_json)


def _who(data: Path, email: str) -> Party:
    setup(data)
    from merpati.desk.parties import desk_party  # noqa: PLC0415 - needs Django set up
    from merpati.desk.people import find_person  # noqa: PLC0415

    return desk_party(find_person(email), actor())


_as = click.option("--as", "email", metavar="EMAIL", required=True, help="Who decides.")


@mail.command("attach", examples=("merpati case mail attach 12 7 --as budi@desk.example",))
@click.argument("mail_id", metavar="MAIL", type=click.IntRange(1))
@click.argument("number", metavar="CASE", type=click.IntRange(1))
@_as
@common_options
def attach(mail_id: int, number: int, email: str, data: Path, as_json: bool) -> None:
    """Add a mail to a case, as its author's message: you vouch for who that is."""
    by = _who(data, email)
    from merpati.desk.mail.sorting import attach_mail, find_mail  # noqa: PLC0415 - needs Django

    case = attach_mail(mail_id, number, by=by, now=now())
    show(_document(find_mail(mail_id)), f"Mail {mail_id} is part of case {case.pk}.", as_json)


@mail.command("open", examples=("merpati case mail open 12 --account 1 --as budi@desk.example",))
@click.argument("mail_id", metavar="MAIL", type=click.IntRange(1))
@click.option("--account", required=True, metavar="A", help="Of this account: number or name.")
@_as
@common_options
def open_case(mail_id: int, account: str, email: str, data: Path, as_json: bool) -> None:
    """Open a case with a mail; its author becomes a contact of the account."""
    by, folder = _who(data, email), setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.desk.evidence import Sources  # noqa: PLC0415
    from merpati.desk.mail.sorting import find_mail, open_from_mail  # noqa: PLC0415

    sources = Sources(folder.events, folder.spool)
    case = open_from_mail(mail_id, find_account(account), sources=sources, by=by, now=now())
    show(_document(find_mail(mail_id)), f"Mail {mail_id} opened case {case.pk}.", as_json)


@mail.command(
    "reject", examples=("merpati case mail reject 12 'Advertising' --as budi@desk.example",)
)
@click.argument("mail_id", metavar="MAIL", type=click.IntRange(1))
@click.argument("reason")
@_as
@common_options
def reject(mail_id: int, reason: str, email: str, data: Path, as_json: bool) -> None:
    """Set a mail aside for good, with the reason; it is kept, and its sender hears nothing."""
    by = _who(data, email)
    from merpati.desk.mail.sorting import reject_mail  # noqa: PLC0415 - needs Django set up

    rejected = reject_mail(mail_id, reason, by=by, now=now())
    show(_document(rejected), f"Mail {mail_id} is set aside.", as_json)


def _document(found: ReceivedMail) -> dict[str, Any]:
    return {
        "id": found.pk,
        "received_at": found.received_at,
        "from": {"name": found.from_name, "email": found.from_email},
        "msg_from": found.msg_from,
        "rcpt_to": found.rcpt_to,
        "peer": found.peer,
        "subject": found.subject,
        "size_bytes": found.size_bytes,
        "proof": found.proof or None,
        "state": found.state,
        "reason": found.reason,
        "automatic": found.is_automatic,
        "case": found.case_id,
        "decided_by": found.decided_by or None,
    }
