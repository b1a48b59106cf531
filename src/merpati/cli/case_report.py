"""`merpati case report`: how soon the desk answered an account in a month, in business hours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from merpati.cli.actor import now
from merpati.cli.output import Command, common_options, show, table
from merpati.runtime.setup import setup

_HEAD = (
    "case",
    "severity",
    "first answer",
    "updates",
    "late",
    "resolved",
    "min of ours",
    "subject",
)


@click.command(
    "report",
    cls=Command,
    examples=(
        "merpati case report --month 2026-11 --account 1",
        "merpati case report --month 2026-11 --account 'Toko Kirim' --csv > november.csv",
        "merpati case report --month 2026-11 --account 1 --json",
    ),
)
@click.option("--month", required=True, metavar="YYYY-MM", help="The month, in the service zone.")
@click.option("--account", required=True, metavar="A", help="The account: number or name.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a line a case as CSV.")
@common_options
def report(*, month: str, account: str, as_csv: bool, data: Path, as_json: bool) -> None:
    """Report on the desk's service in a month: first answers, updates, time to resolution."""
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.desk.service_report import report_of  # noqa: PLC0415
    from merpati.desk.service_report_document import (  # noqa: PLC0415
        checked_month,
        report_csv,
        report_document,
    )

    first, found = checked_month(month), find_account(account)
    counted = report_of(found, first, now())
    document = report_document(found, first, counted)
    text = report_csv(counted).rstrip() if as_csv else _for_people(document)
    show(document, text, as_json)


def _for_people(document: dict[str, Any]) -> str:
    first, updates = document["first_answers"], document["updates"]
    median = document["median_minutes_to_resolution"]
    lines = [
        f"{document['account']['name']}, {document['month']}, {document['service_time_zone']}",
        f"cases: {document['opened']} opened, {document['resolved']} resolved, "
        f"{document['open_at_end']} open at the end, {document['overdue']} overdue",
        f"first answers: {_kept(first)}; updates: {_kept(updates)}",
        "to resolution: "
        + ("none resolved" if median is None else f"{median:g} min of ours (median)"),
        "",
        table(_HEAD, [_row(case) for case in document["cases"]], "no cases in this month"),
    ]
    return "\n".join(lines)


def _row(case: dict[str, Any]) -> tuple[object, ...]:
    return (
        *(f"#{case['case']}", case["severity"], (case["first_answer"] or "–").replace("_", " ")),
        *(case["updates_on_time"], case["updates_late"], case["resolved_at"] or "–"),
        *(case["minutes_of_the_desk"], case["subject"]),
    )


def _kept(kept: dict[str, Any]) -> str:
    if kept["share_on_time"] is None:
        return "none"
    return f"{kept['on_time']} on time, {kept['late']} late ({kept['share_on_time']:.0%})"
