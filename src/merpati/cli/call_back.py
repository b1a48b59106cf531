"""`merpati call-back`: calls that the desk will make, in free half hours of business time."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Group, common_options, say, show, table
from merpati.runtime.setup import setup

if TYPE_CHECKING:
    from merpati.accounts.models import Account
    from merpati.desk.models import CallBack, Person

_MOMENT = "WHEN"


@click.group(
    "call-back",
    cls=Group,
    examples=(
        "merpati call-back slots --account 1",
        "merpati call-back book sari@kirim.example 2026-03-03T10:00 --account 1 "
        "--phone '+62 21 5550 100' --topic 'Warm-up'",
        "merpati call-back list",
    ),
)
def call_back() -> None:
    """Book, list, move and cancel calls to customers."""


@call_back.command(
    "slots",
    examples=(
        "merpati call-back slots --account 1",
        "merpati call-back slots --account 'Toko Kirim' --person budi@desk.example --json",
    ),
)
@click.option("--account", required=True, metavar="A", help="Whom to call: number or name.")
@click.option("--person", "email", metavar="EMAIL", help="Who calls [default: the TAM].")
@common_options
def slots(account: str, email: str | None, data: Path, as_json: bool) -> None:
    """Show when a person can call an account: the desk's clock, and the moment in UTC."""
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.desk.calendars import find_calendar, service_hours  # noqa: PLC0415
    from merpati.desk.call_back_booking import slots_of  # noqa: PLC0415

    owner = find_account(account)
    person = _person(owner, email)
    zone = service_hours(find_calendar(owner.service_time_zone)).zone
    free = [slot.starts_at for slot in slots_of(person, owner, now())]
    rows = [(f"{at.astimezone(zone):%a %Y-%m-%dT%H:%M %Z}", at) for at in free]
    text = table((owner.service_time_zone, "UTC"), rows, f"{person.name} has no free half hour.")
    show({"person": person.email, "slots": free}, text, as_json)


@call_back.command(
    "book",
    examples=(
        "merpati call-back book sari@kirim.example 2026-03-03T10:00 --account 1 "
        "--phone '+62 21 5550 100' --topic 'Warm-up' --case 7",
    ),
)
@click.argument("contact")
@click.argument("starts_at", metavar=_MOMENT)
@click.option("--account", required=True, metavar="A", help="Whose contact: number or name.")
@click.option("--phone", required=True, help="With its country, as '+62 21 5550 100'.")
@click.option("--topic", required=True, help="What it is about.")
@click.option("--case", "number", type=click.IntRange(1), help="The case it is about.")
@click.option("--person", "email", metavar="EMAIL", help="Who calls [default: the TAM].")
@common_options
def book(
    contact: str,
    starts_at: str,
    *,
    account: str,
    phone: str,
    topic: str,
    number: int | None,
    email: str | None,
    data: Path,
    as_json: bool,
) -> None:
    """Book a call at WHEN: the desk's wall clock, or a moment with an offset.

    Both sides are invited by email.
    """
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.desk import call_back_booking as booking  # noqa: PLC0415
    from merpati.desk.case_errors import InvalidCall  # noqa: PLC0415
    from merpati.desk.models import Contact  # noqa: PLC0415

    owner = find_account(account)
    found = Contact.objects.filter(account=owner, email=contact.strip().lower()).first()
    if found is None:
        raise InvalidCall(
            f"{contact} is no contact of {owner.name}: add them, merpati contact add.", "contact"
        )
    wanted = booking.WantedCall(
        _person(owner, email), found, phone, topic, _moment(starts_at, owner), number
    )
    _show(booking.book(owner, wanted, by=actor(), now=now()), "Booked", as_json)


@call_back.command(
    "list", examples=("merpati call-back list", "merpati call-back list --account 1 --json")
)
@click.option("--account", metavar="A", help="Only this account's: number or name.")
@common_options
def list_call_backs(account: str | None, data: Path, as_json: bool) -> None:
    """List the calls to come, the next first."""
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.desk.call_back_booking import coming  # noqa: PLC0415
    from merpati.desk.case_document import call_back as document  # noqa: PLC0415

    of = {} if account is None else {"account": find_account(account)}
    found = coming(now(), **of)
    rows = [
        (r.pk, r.starts_at, r.account.name, r.contact.name, r.phone, r.person.name) for r in found
    ]
    head = ("id", "at", "account", "contact", "phone", "who calls")
    documents = [document(row) | {"account_id": row.account_id} for row in found]
    show({"call_backs": documents}, table(head, rows, "No call is booked."), as_json)


@call_back.command("move", examples=("merpati call-back move 3 2026-03-04T09:30",))
@click.argument("call_back_id", metavar="ID", type=click.IntRange(1))
@click.argument("starts_at", metavar=_MOMENT)
@common_options
def move(call_back_id: int, starts_at: str, data: Path, as_json: bool) -> None:
    """Put a call into another free half hour of the same person; both are told by email."""
    setup(data)
    from merpati.desk import call_back_booking as booking  # noqa: PLC0415 - needs Django set up

    row = booking.find_call_back(call_back_id, now())
    at = _moment(starts_at, row.account)
    _show(booking.move(row.pk, at, by=actor(), now=now()), "Moved", as_json)


@call_back.command("cancel", examples=("merpati call-back cancel 3",))
@click.argument("call_back_id", metavar="ID", type=click.IntRange(1))
@common_options
def cancel(call_back_id: int, data: Path, as_json: bool) -> None:
    """Call one off; both sides are told by email."""
    setup(data)
    from merpati.desk import call_back_booking as booking  # noqa: PLC0415 - needs Django set up

    _show(booking.cancel(call_back_id, by=actor(), now=now()), "Cancelled", as_json)


def _person(account: Account, email: str | None) -> Person:
    """Return who calls: by address, else whom the account can reach first."""
    from merpati.desk.case_errors import NoTam  # noqa: PLC0415 - needs Django set up
    from merpati.desk.people import find_person  # noqa: PLC0415
    from merpati.desk.tam import tam_of  # noqa: PLC0415

    if email is not None:
        return find_person(email)
    found = tam_of(account, now())
    if found is None:
        raise NoTam
    return found.contact.person


def _moment(text: str, account: Account) -> datetime:
    from merpati.desk.calendars import find_calendar, service_hours  # noqa: PLC0415 - Django
    from merpati.desk.local_moment import read_moment  # noqa: PLC0415

    read = read_moment(text, service_hours(find_calendar(account.service_time_zone)).zone)
    if read.remark:
        say(read.remark)
    return read.at


def _show(row: CallBack, done: str, as_json: bool) -> None:
    from merpati.desk.case_document import call_back as document  # noqa: PLC0415 - Django

    text = (
        f"{done}: call {row.pk}, {row.person.name} rings {row.contact.name} at {row.phone}, "
        f"{row.starts_at:%a %Y-%m-%d %H:%M} UTC."
    )
    show(document(row) | {"account_id": row.account_id}, text, as_json)
