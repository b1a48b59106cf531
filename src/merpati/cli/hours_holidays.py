"""`merpati hours holidays`: a year's bank holidays are proposed, a person confirms them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merpati.cli.actor import actor, now
from merpati.cli.hours_answers import change_document, open_desk, this_year
from merpati.cli.output import Group, common_options, say, show, table
from merpati.cli.zone import zone_option
from merpati.runtime.setup import setup

if TYPE_CHECKING:
    from merpati.desk.proposals import Proposal

year_option = click.option(
    "--year", type=click.IntRange(1970, 2100), metavar="Y", help="[default: this year]"
)


@click.group(
    "holidays",
    cls=Group,
    examples=(
        "merpati hours holidays propose --zone uk --year 2027",
        "merpati hours holidays confirm --zone uk --year 2027",
        "merpati hours holidays add 2027-06-04 --zone uk --name 'Jubilee'",
    ),
)
def holidays() -> None:
    """Propose, confirm and change the bank holidays of a year."""


@holidays.command("propose", examples=("merpati hours holidays propose --zone uk --year 2027",))
@zone_option
@year_option
@common_options
def propose(zone: str, year: int | None, data: Path, as_json: bool) -> None:
    """Show which days are proposed for a year, and who names them; changes nothing."""
    desk = open_desk(data, zone)
    from merpati.desk.errors import BeyondCalendar  # noqa: PLC0415 - with its room
    from merpati.desk.proposals import propose as proposed  # noqa: PLC0415

    year = year or this_year(desk)
    proposal = proposed(desk.row.holiday_list, year)
    if not proposal.days:
        raise BeyondCalendar(year)
    days = [
        {"day": day.falls_on, "name": day.name, "sources": day.sources} for day in proposal.days
    ]
    rows = [
        (f"{day.falls_on:%a} {day.falls_on}", day.name, ", ".join(day.sources))
        for day in proposal.days
    ]
    _say_doubts(proposal)
    document = desk.head() | {
        "year": year,
        "holiday_list": desk.row.holiday_list,
        "sources": proposal.sources,
        "days": days,
        "doubtful": [day.falls_on for day in proposal.doubtful],
    }
    show(document, table(("day", "name", "named by"), rows), as_json)


@holidays.command(
    "confirm",
    examples=(
        "merpati hours holidays confirm --zone uk --year 2027",
        "merpati hours holidays confirm --zone us-eastern --year 2027 --replace",
    ),
)
@zone_option
@click.option("--year", type=click.IntRange(1970, 2100), required=True, metavar="Y")
@click.option("--replace", is_flag=True, help="Confirm anew; earlier changes of days are lost.")
@common_options
def confirm(zone: str, year: int, replace: bool, data: Path, as_json: bool) -> None:
    """Make the proposed days of a year the zone's bank holidays; your name is kept with them."""
    desk = open_desk(data, zone)
    from merpati.desk.calendar_changes import confirm_holidays  # noqa: PLC0415
    from merpati.desk.proposals import propose as proposed  # noqa: PLC0415

    _say_doubts(proposed(desk.row.holiday_list, year))
    change = confirm_holidays(zone, year, replace=replace, by=actor(), now=now())
    document = change_document(change) | _listed(zone, year)
    text = f"{len(document['days'])} bank holidays of {year} are confirmed for {zone}:\n"
    show(document, text + _table(document), as_json)


@holidays.command("list", examples=("merpati hours holidays list --zone uk --year 2027",))
@zone_option
@year_option
@common_options
def list_holidays(zone: str, year: int | None, data: Path, as_json: bool) -> None:
    """List a year's confirmed bank holidays, and who says so of each."""
    desk = open_desk(data, zone)
    year = year or this_year(desk)
    document = desk.head() | _listed(zone, year)
    empty = (
        f"the bank holidays of {year} are not confirmed: "
        f"merpati hours holidays propose --zone {zone} --year {year}"
    )
    show(document, _table(document) if document["is_confirmed"] else empty, as_json)


@holidays.command(
    "add", examples=("merpati hours holidays add 2027-06-04 --zone uk --name 'Jubilee'",)
)
@click.argument("day")
@zone_option
@click.option("--name", required=True, help="Why; customers read it.")
@common_options
def add(day: str, zone: str, name: str, data: Path, as_json: bool) -> None:
    """Add a one-off or substitute day to a confirmed year."""
    setup(data)
    from merpati.desk.calendar_changes import add_bank_holiday  # noqa: PLC0415
    from merpati.desk.local_moment import read_day  # noqa: PLC0415

    on = read_day(day)
    change = add_bank_holiday(zone, on, name, by=actor(), now=now())
    show(change_document(change), f"{on} is a bank holiday for {zone}: {name}.", as_json)


@holidays.command("remove", examples=("merpati hours holidays remove 2027-06-04 --zone uk",))
@click.argument("day")
@zone_option
@common_options
def remove(day: str, zone: str, data: Path, as_json: bool) -> None:
    """Make a bank holiday of a confirmed year a business day."""
    setup(data)
    from merpati.desk.calendar_changes import remove_bank_holiday  # noqa: PLC0415
    from merpati.desk.local_moment import read_day  # noqa: PLC0415

    on = read_day(day)
    change = remove_bank_holiday(zone, on, by=actor(), now=now())
    show(change_document(change), f"{on} is no bank holiday for {zone} any more.", as_json)


@holidays.command("use", examples=("merpati hours holidays use us-federal --zone us-eastern",))
@click.argument("list_id", metavar="LIST", type=click.Choice(["fed", "us-federal", "england"]))
@zone_option
@common_options
def use(list_id: str, zone: str, data: Path, as_json: bool) -> None:
    """Set whose days are proposed: the Federal Reserve's, the US government's, England's.

    The government closes on the Friday before a holiday that falls on a Saturday, banks do not.
    Confirmed years stay as they are.
    """
    setup(data)
    from merpati.desk.calendar_changes import use_holiday_list  # noqa: PLC0415

    change = use_holiday_list(zone, list_id, by=actor(), now=now())
    document = change_document(change) | {"holiday_list": list_id}
    show(document, f"{zone} takes its proposals from the list {list_id} now.", as_json)


def _say_doubts(proposal: Proposal) -> None:
    for day in proposal.doubtful:
        say(f"{day.falls_on} {day.name}: only {', '.join(day.sources)} names it; find out.")


def _listed(zone: str, year: int) -> dict[str, Any]:
    """Return the bank holidays of a year as a document."""
    from merpati.desk.models import BankHoliday, ConfirmedYear  # noqa: PLC0415 - needs Django

    confirmed = ConfirmedYear.objects.filter(calendar_id=zone, year=year).first()
    rows = BankHoliday.objects.filter(year=confirmed).order_by("falls_on") if confirmed else ()
    return {
        "year": year,
        "is_confirmed": confirmed is not None,
        "confirmed_by": confirmed.confirmed_by if confirmed else None,
        "confirmed_at": confirmed.confirmed_at if confirmed else None,
        "days": [{"day": row.falls_on, "name": row.name, "source": row.source} for row in rows],
    }


def _table(document: dict[str, Any]) -> str:
    rows = [(f"{d['day']:%a} {d['day']}", d["name"], d["source"]) for d in document["days"]]
    return table(("day", "name", "named by"), rows)
