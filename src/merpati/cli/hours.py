"""`merpati hours`: when the desk is open, when an answer falls due, and how that was counted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merpati.cli.hours_answers import Desk, in_words, open_desk, this_year
from merpati.cli.hours_holidays import holidays
from merpati.cli.hours_override import override
from merpati.cli.output import Group, common_options, say, show, table
from merpati.cli.zone import zone_option
from merpati.desk.hours_document import day_document, minutes

if TYPE_CHECKING:
    from merpati.desk.service_hours import Day

MOST_MINUTES = 1_000_000  # eight years of business hours


@click.group(
    cls=Group,
    examples=(
        "merpati hours status --zone uk",
        "merpati hours add --zone us-eastern --from 2026-03-06T16:30 --minutes 60",
        "merpati hours between --zone us-eastern --from 2026-03-06T16:00 --to 2026-03-09T10:00",
        "merpati hours calendar --zone us-pacific --year 2027 --ics hours.ics",
        "merpati hours holidays confirm --zone uk --year 2027",
        "merpati hours override add 2026-12-24 08:30-12:30 --zone uk --reason 'Christmas Eve'",
    ),
)
def hours() -> None:
    """Business hours: what is open, what falls due, and why.

    Times are local to the zone, 2026-03-06T16:30, or carry their offset, 2026-03-06T16:30+07:00.
    """


@hours.command(
    "status",
    examples=(
        "merpati hours status --zone uk",
        "merpati hours status --zone us-eastern --at 2026-07-03T12:00 --json",
    ),
)
@zone_option
@click.option("--at", metavar="T", help="Another moment than the present.")
@common_options
def status(zone: str, at: str | None, data: Path, as_json: bool) -> None:
    """Say whether the desk is open, until when, and when it opens next."""
    desk = open_desk(data, zone)
    from merpati.desk.business_hours import next_opening, open_until  # noqa: PLC0415

    moment = desk.moment(at, "at")
    closes_at = open_until(desk.hours, moment)
    opens_at = next_opening(desk.hours, moment)
    today = desk.hours.day(moment.astimezone(desk.zone).date())
    years = {today.on.year, opens_at.astimezone(desk.zone).year}
    unconfirmed = [y for y in sorted(years) if not desk.hours.holiday_year(y).is_confirmed]
    desk.warn(unconfirmed)
    document = desk.head() | {
        "at": moment,
        "open": closes_at is not None,
        "closes_at": closes_at,
        "next_opening": opens_at,
        "today": day_document(today),
        "unconfirmed_years": unconfirmed,
    }
    state = f"open until {desk.local(closes_at)}" if closes_at else "closed"
    text = f"{zone} is {state}; it opens next {desk.local(opens_at)}.\nToday: {_kept(today)}"
    show(document, text, as_json)


@hours.command(
    "add",
    examples=(
        "merpati hours add --zone us-eastern --from 2026-03-06T16:30 --minutes 60",
        "merpati hours add --zone uk --from 2026-05-01T22:15+07:00 --minutes 480 --json",
    ),
)
@zone_option
@click.option("--from", "start", metavar="T", help="When it begins [default: now].")
@click.option(
    "--minutes",
    "working_minutes",
    type=click.IntRange(0, MOST_MINUTES),
    required=True,
    metavar="N",
    help="Working time; 0 falls due at once, or at the next opening.",
)
@common_options
def add(zone: str, start: str | None, working_minutes: int, data: Path, as_json: bool) -> None:
    """Say when so much working time will have passed."""
    desk = open_desk(data, zone)
    from merpati.desk.business_hours import due_at  # noqa: PLC0415

    received = desk.moment(start, "from")
    due = due_at(desk.hours, received, timedelta(minutes=working_minutes))
    answer = {"from": received, "minutes": working_minutes, "due_at": due.at}
    document = desk.head() | answer | desk.account(due.account)
    show(document, f"due {desk.local(due.at)}\ncounted: {document['explanation']}", as_json)


@hours.command(
    "between",
    examples=(
        "merpati hours between --zone us-eastern --from 2026-03-06T16:00 --to 2026-03-09T10:00",
    ),
)
@zone_option
@click.option("--from", "start", required=True, metavar="A", help="When it begins.")
@click.option("--to", "end", metavar="B", help="When it ends [default: now].")
@common_options
def between(zone: str, start: str, end: str | None, data: Path, as_json: bool) -> None:
    """Say how much working time lies between two moments."""
    desk = open_desk(data, zone)
    from merpati.desk.business_hours import working_time_between  # noqa: PLC0415

    begins, ends = desk.moment(start, "from"), desk.moment(end, "to")
    found = working_time_between(desk.hours, begins, ends)
    answer = {"from": begins, "to": ends, "minutes": minutes(found.working_time)}
    document = desk.head() | answer | desk.account(found.account)
    text = f"{in_words(found.working_time)} of working time\ncounted: {document['explanation']}"
    show(document, text, as_json)


@hours.command(
    "calendar",
    examples=(
        "merpati hours calendar --zone uk",
        "merpati hours calendar --zone us-pacific --year 2027 --ics hours.ics",
        "merpati hours calendar --zone us-pacific --ics - | less",
    ),
)
@zone_option
@click.option("--year", type=click.IntRange(1970, 2100), metavar="Y", help="[default: this year]")
@click.option("--ics", metavar="FILE|-", help="Write every opening as iCalendar; - is stdout.")
@common_options
def calendar(zone: str, year: int | None, ics: str | None, data: Path, as_json: bool) -> None:
    """Show a year: weekly hours, bank holidays, overrides; or write it as iCalendar.

    A running Merpati serves the same to calendar programs, this year and the next:
    /calendar/ZONE.ics
    """
    if ics == "-" and as_json:
        raise click.UsageError("--ics - and --json both want stdout: choose one.")
    desk = open_desk(data, zone)
    year = year or this_year(desk)
    if not desk.hours.holiday_year(year).is_confirmed:
        desk.warn([year])
    if ics is not None:
        _write_ics(desk, year, ics)
    if ics != "-":
        document = _calendar_document(desk, year)
        show(document, _calendar_text(desk, document), as_json)


def _write_ics(desk: Desk, year: int, target: str) -> None:
    from merpati.desk.feed import feed  # noqa: PLC0415 - needs Django set up

    body = feed(desk.row, desk.hours, [year])
    if target == "-":
        click.echo(body, nl=False)
        return
    Path(target).write_bytes(body)
    say(f"Every opening of {year} is in {target}.")


def _calendar_document(desk: Desk, year: int) -> dict[str, Any]:
    from merpati.desk.business_hours import spans_on  # noqa: PLC0415 - with its room
    from merpati.desk.feed import days_of  # noqa: PLC0415
    from merpati.desk.service_hours import DayKind  # noqa: PLC0415

    days = list(days_of(desk.hours, [year]))
    lengths = [sum((s.length for s in spans_on(desk.hours, d)), timedelta()) for d in days]
    confirmed = desk.row.years.filter(year=year).first()
    return desk.head() | {
        "time_zone": desk.zone.key,
        "year": year,
        "weekly": desk.row.weekly,
        "holiday_list": desk.row.holiday_list,
        "confirmed_by": confirmed.confirmed_by if confirmed else None,
        "confirmed_at": confirmed.confirmed_at if confirmed else None,
        "days_open": sum(1 for length in lengths if length),
        "minutes": minutes(sum(lengths, timedelta())),
        "days": [day_document(day) for day in days if day.kind is not DayKind.WEEKLY],
    }


def _calendar_text(desk: Desk, document: dict[str, Any]) -> str:
    from merpati.desk.hours_words import week_in_words  # noqa: PLC0415 - needs Django set up

    rows = [
        (f"{day['day']:%a} {day['day']}", ", ".join(day["hours"]) or "closed", _why(day))
        for day in document["days"]
    ]
    return "\n".join(
        (
            f"{desk.row.zone_id} ({desk.zone.key}): {week_in_words(desk.hours.weekly)}",
            f"{document['year']}: {document['days_open']} days, "
            f"{document['minutes'] / 60:,g} hours open",
            table(("day", "hours", "why"), rows, "no bank holidays and no overrides"),
        )
    )


def _why(day: dict[str, Any]) -> str:
    return f"{day['kind'].replace('_', ' ')}: {day['note']}"


def _kept(day: Day) -> str:
    from merpati.desk.hours_words import windows_in_words  # noqa: PLC0415 - needs Django set up

    reason = f" ({_why(day_document(day))})" if day.note else ""
    return f"{day.on:%a} {day.on} {windows_in_words(day.windows)}{reason}"


hours.add_command(holidays)
hours.add_command(override)
