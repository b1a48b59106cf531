"""`merpati person`: the members of the Customer Success Team."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Group, common_options, show, table
from merpati.runtime.setup import setup


@click.group(
    cls=Group,
    examples=(
        "merpati person add 'Tari' tari@desk.example --role tam --phone '+44 20 7946 0000'",
        "merpati person list",
        "merpati person away tari@desk.example --from 2026-12-21 --to 2026-12-31 --reason leave",
    ),
)
def person() -> None:
    """Add and list the desk's people, and when they are away."""


@person.command(
    "add",
    examples=(
        "merpati person add 'Tari' tari@desk.example --role tam --phone '+44 20 7946 0000'",
        "merpati person add 'Budi' budi@desk.example --language id --json",
    ),
)
@click.argument("name")
@click.argument("email")
@click.option(
    "--role",
    type=click.Choice(["tam", "representative"]),
    default="representative",
    show_default=True,
    help="A TAM serves accounts, and needs a phone.",
)
@click.option("--phone", default="", metavar="N", help="With its country: '+44 20 7946 0000'.")
@click.option(
    "--language",
    type=click.Choice(["en", "id"]),
    default="en",
    show_default=True,
    help="In which the desk writes to them.",
)
@common_options
def add(
    name: str, email: str, *, role: str, phone: str, language: str, data: Path, as_json: bool
) -> None:
    """Add a member of the staff."""
    setup(data)
    from merpati.desk.people import add_person  # noqa: PLC0415 - needs Django set up

    added = add_person(
        name, email, role=role, phone=phone, language=language, by=actor(), now=now()
    )
    document = {
        "name": added.name,
        "email": added.email,
        "role": role,
        "phone": added.phone,
        "language": language,
    }
    show(document, f"{added.name} <{added.email}> is a member of the staff ({role}).", as_json)


@person.command("list", examples=("merpati person list", "merpati person list --json"))
@common_options
def list_people(data: Path, as_json: bool) -> None:
    """List the staff, with the cases that they are responsible for."""
    setup(data)
    from merpati.desk.case_search import open_cases_of_staff  # noqa: PLC0415 - needs Django set up
    from merpati.desk.models import Person  # noqa: PLC0415

    names = ("name", "email", "role", "phone", "language")
    busy = open_cases_of_staff()
    rows: list[dict[str, Any]] = [
        {**{name: getattr(person, name) for name in names}, "open_cases": busy[person.pk]}
        for person in Person.objects.order_by("name", "pk")
    ]
    empty = "no people yet; add one: merpati person add NAME EMAIL --role tam --phone N"
    show(
        {"people": rows},
        table((*names, "open_cases"), [list(row.values()) for row in rows], empty),
        as_json,
    )


@person.command(
    "away",
    examples=(
        "merpati person away tari@desk.example --from 2026-12-21 --to 2026-12-31 --reason leave",
    ),
)
@click.argument("email")
@click.option("--from", "starts_on", required=True, metavar="DAY", help="First day.")
@click.option("--to", "ends_on", required=True, metavar="DAY", help="Last day, included.")
@click.option("--reason", required=True, help="Why; customers do not see it.")
@common_options
def away(
    email: str, *, starts_on: str, ends_on: str, reason: str, data: Path, as_json: bool
) -> None:
    """Record days on which somebody is away: the deputy stands in, no new case goes to them."""
    setup(data)
    from merpati.desk.local_moment import read_day  # noqa: PLC0415 - with its room
    from merpati.desk.people import add_absence  # noqa: PLC0415 - needs Django set up

    first, last = read_day(starts_on, "from"), read_day(ends_on, "to")
    absence = add_absence(email, first, last, reason, by=actor(), now=now())
    document = {
        "email": absence.person.email,
        "starts_on": first,
        "ends_on": last,
        "reason": absence.reason,
    }
    show(document, f"{absence.person.name} is away from {first} to {last}.", as_json)
