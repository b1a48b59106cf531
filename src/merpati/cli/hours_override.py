"""`merpati hours override`: other hours for one day, longer, shorter, or none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merpati.cli.actor import actor, now
from merpati.cli.hours_answers import change_document, open_desk
from merpati.cli.output import Group, common_options, show, table
from merpati.cli.zone import zone_option
from merpati.runtime.setup import setup

if TYPE_CHECKING:
    from merpati.desk.models import DatedOverride


@click.group(
    "override",
    cls=Group,
    examples=(
        "merpati hours override add 2026-12-24 08:30-12:30 --zone uk --reason 'Christmas Eve'",
        "merpati hours override list --zone uk",
        "merpati hours override remove 2026-12-24 --zone uk",
    ),
)
def override() -> None:
    """Expand, contract or close single days."""


@override.command(
    "add",
    examples=(
        "merpati hours override add 2026-12-24 08:30-12:30 --zone uk --reason 'Christmas Eve'",
        "merpati hours override add 2026-11-30 09:00-12:00 13:00-24:00 --zone us-eastern "
        "--reason 'Cyber Monday'",
        "merpati hours override add 2026-11-27 --closed --zone us-eastern --reason 'Moving house'",
    ),
)
@click.argument("day")
@click.argument("windows", nargs=-1, metavar="[HH:MM-HH:MM]...")
@zone_option
@click.option("--closed", is_flag=True, help="The desk stays closed that day.")
@click.option("--reason", required=True, help="Why; customers read it.")
@click.option("--replace", is_flag=True, help="Take the place of the day's earlier override.")
@common_options
def add(
    day: str,
    windows: tuple[str, ...],
    *,
    zone: str,
    closed: bool,
    reason: str,
    replace: bool,
    data: Path,
    as_json: bool,
) -> None:
    """Set the hours of one day, in place of weekly hours and bank holidays.

    Several windows leave a gap between them; 24:00 is the end of the day. An opening hour that the
    clocks skip comes later by what they skip, one that they repeat is the first of the two.
    """
    if closed == bool(windows):
        raise click.UsageError("Give the day's hours, as 09:00-17:00, or --closed.")
    setup(data)
    from merpati.desk.calendar_changes import add_override  # noqa: PLC0415
    from merpati.desk.local_moment import read_day  # noqa: PLC0415
    from merpati.desk.models import DatedOverride  # noqa: PLC0415

    on = read_day(day)
    change = add_override(zone, on, windows, reason, replace=replace, by=actor(), now=now())
    row = _document(DatedOverride.objects.get(calendar_id=zone, falls_on=on))
    text = f"{zone} on {on:%a} {on}: {_hours(row)} ({row['reason']})."
    show(change_document(change) | {"override": row}, text, as_json)


@override.command("list", examples=("merpati hours override list --zone uk --json",))
@zone_option
@common_options
def list_overrides(zone: str, data: Path, as_json: bool) -> None:
    """List a zone's overrides, with who made them and why."""
    desk = open_desk(data, zone)
    rows = [_document(row) for row in desk.row.overrides.order_by("falls_on")]
    text = table(
        ("day", "hours", "reason", "by", "made"),
        [
            (f"{r['day']:%a} {r['day']}", _hours(r), r["reason"], r["created_by"], r["created_at"])
            for r in rows
        ],
        "no overrides; make one: merpati hours override add DAY HH:MM-HH:MM --zone Z --reason R",
    )
    show(desk.head() | {"overrides": rows}, text, as_json)


@override.command("remove", examples=("merpati hours override remove 2026-12-24 --zone uk",))
@click.argument("day")
@zone_option
@common_options
def remove(day: str, zone: str, data: Path, as_json: bool) -> None:
    """Let weekly hours and bank holidays decide about a day again."""
    setup(data)
    from merpati.desk.calendar_changes import remove_override  # noqa: PLC0415
    from merpati.desk.local_moment import read_day  # noqa: PLC0415

    on = read_day(day)
    change = remove_override(zone, on, by=actor(), now=now())
    show(change_document(change), f"{zone} has no override for {on} any more.", as_json)


def _document(row: DatedOverride) -> dict[str, Any]:
    return {
        "day": row.falls_on,
        "hours": row.windows,
        "reason": row.reason,
        "created_by": row.created_by,
        "created_at": row.created_at,
    }


def _hours(row: dict[str, Any]) -> str:
    return ", ".join(row["hours"]) or "closed"
