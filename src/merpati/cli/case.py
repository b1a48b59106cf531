"""`merpati case`: the desk's side of support cases; what is done to one is in `case_acts.py`."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from merpati.cli.actor import now
from merpati.cli.case_acts import (
    agree,
    answer,
    ask,
    assign,
    dispute,
    escalate,
    link,
    merge,
    note,
    propose,
    sort,
    split,
    update,
    withdraw,
)
from merpati.cli.case_mail import mail
from merpati.cli.case_report import report
from merpati.cli.output import Group, common_options, printable, show, table
from merpati.runtime.setup import setup

STATUSES = ("open", "waiting_for_customer", "proposed", "resolved", "merged")


@click.group(
    cls=Group,
    examples=(
        "merpati case list --as budi@desk.example",
        "merpati case show 7",
        "merpati case answer 7 'We look at it.' --as budi@desk.example",
        "merpati case ask 7 'Which recipients did not get it?'",
        "merpati case propose 7 'The block at the provider is lifted.'",
        "merpati case verify case-7-resolution.json",
    ),
)
def case() -> None:
    """Answer support cases until both sides agree.

    Whoever acts is named with --as EMAIL; without it, it is who is responsible for the case.
    """


@case.command(
    "list",
    examples=(
        "merpati case list",
        "merpati case list --as budi@desk.example",
        "merpati case list --status resolved --account 1 --json",
    ),
)
@click.option("--as", "email", metavar="EMAIL", help="Only those this person is responsible for.")
@click.option("--account", metavar="A", help="Only this account's: number or name.")
@click.option("--status", type=click.Choice(STATUSES), help="[default: all that go on]")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="How many to show.",
)
@common_options
def list_cases(
    *,
    email: str | None,
    account: str | None,
    status: str | None,
    limit: int,
    data: Path,
    as_json: bool,
) -> None:
    """List cases by what falls due; those that wait for the customer come last."""
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.desk.case_document import summary  # noqa: PLC0415
    from merpati.desk.case_search import Wanted  # noqa: PLC0415
    from merpati.desk.people import find_person  # noqa: PLC0415

    wanted = Wanted(
        account_id=find_account(account).pk if account else None,
        status=status,
        representative=find_person(email).email if email else None,
        is_resolved=None if status else False,
    )
    moment = now()
    cases = wanted.queue(limit)
    head = ("case", "account", "severity", "status", "clock", "due", "responsible", "subject")
    rows = [
        (
            *(f"#{found.pk}", found.account.name, found.severity, found.status),
            *_clock(summary(found), moment),
            found.representative.name if found.representative else "nobody",
            found.subject,
        )
        for found in cases
    ]
    documents = [summary(c) | {"account": c.account.name} for c in cases]
    show({"cases": documents}, table(head, rows, "no cases that go on"), as_json)


@case.command("show", examples=("merpati case show 7", "merpati case show 7 --json"))
@click.argument("number", type=click.IntRange(1))
@common_options
def show_case(number: int, data: Path, as_json: bool) -> None:
    """Show a case: history with internal notes, clocks with how they were counted, evidence."""
    setup(data)
    from merpati.desk.case_document import for_desk  # noqa: PLC0415 - needs Django set up
    from merpati.desk.case_search import any_case  # noqa: PLC0415

    document = for_desk(any_case(number), now())
    show(document, _for_people(document, now()), as_json)


@case.command(
    "export",
    examples=("merpati case export 7 > case-7.json", "merpati case export 7 --json"),
)
@click.argument("number", type=click.IntRange(1))
@common_options
def export(number: int, data: Path, as_json: bool) -> None:
    """Print all there is of a case as JSON, internal notes and signed record included."""
    setup(data)
    from merpati.desk.case_document import for_desk, with_record  # noqa: PLC0415 - needs Django
    from merpati.desk.case_search import any_case  # noqa: PLC0415

    found = any_case(number)
    document = {"exported_at": now(), "case": with_record(for_desk(found, now()), found)}
    show(document, "", as_json=True)


@case.command(
    "record",
    examples=("merpati case record 7 > case-7-resolution.json", "merpati case record 7 --json"),
)
@click.argument("number", type=click.IntRange(1))
@common_options
def record(number: int, data: Path, as_json: bool) -> None:
    """Print the signed resolution record of a case as JSON."""
    setup(data)
    from merpati.desk.case_search import any_case, resolution_record  # noqa: PLC0415 - Django

    show(resolution_record(any_case(number)).document, "", as_json=True)


@case.command("verify", examples=("merpati case verify case-7-resolution.json",))
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@common_options
def verify(file: Path, data: Path, as_json: bool) -> None:
    """Tell whether this instance signed a resolution record, and nobody changed it since."""
    setup(data)
    from merpati.cli.record_signer import record_signer  # noqa: PLC0415 - loads cryptography

    try:
        document = json.loads(file.read_text())
    except ValueError:
        raise click.ClickException(f"{file} holds no JSON.") from None
    signer = record_signer(data)
    found = signer.verify(document)
    last = found["steps"][-1]
    text = (
        f"Signed by this instance and unchanged: case {found['case']}, "
        f"{found['account']['name']}, agreed by {last['name']} ({last['side']}) on "
        f"{found['resolved_at']}.\n{found['resolution']}"
    )
    show({"valid": True, "public_key": signer.public_key, "record": found}, text, as_json)


for _command in (
    *(answer, ask, update, note, assign, sort, propose, withdraw, agree, dispute, escalate),
    *(merge, split, link, report, mail),
):
    case.add_command(_command)


def _clock(document: dict[str, Any], moment: datetime) -> tuple[str, str]:
    """Return which clock runs, and when it ends."""
    due = document["due_at"]
    if due is None:
        return ("–", "customer's turn" if document["turn"] else "–")
    late = " LATE" if due < moment else ""
    return (document["clock"].replace("_", " "), f"{due:%a %d %b %H:%M} UTC{late}")


def _for_people(document: dict[str, Any], moment: datetime) -> str:
    clock, due = _clock(document, moment)
    responsible = document["representative"]
    clocks = document["clocks"]
    waited = clocks["waiting_for_customer"]["minutes"]
    lines = [
        f"#{document['number']} {document['subject']}",
        f"{document['account']['name']}, {document['kind'].replace('_', ' ')}, "
        f"{document['severity']}, {document['status'].replace('_', ' ')}",
        f"responsible: {responsible['name'] if responsible else 'nobody'}",
        f"clock: {clock} {due}",
        f"age: {clocks['age']['minutes_of_the_desk']:g} min of ours, {waited:g} min of the "
        "customer's, in business hours",
    ]
    running = (clocks["first_answer"], clocks["next_update"])
    lines += [f"counted: {c['explanation']}" for c in running if c["state"] == "running"]
    lines += [f"names {link['kind']} {link['value']}" for link in document["links"]]
    return "\n".join([*map(printable, lines), *map(_entry, document["timeline"])])


def _entry(entry: dict[str, Any]) -> str:
    internal = " (internal)" if entry["internal"] else ""
    head = (
        f"\n{entry['at']:%Y-%m-%d %H:%M} UTC {entry['side']}, {entry['name']}: "
        f"{entry['what'].replace('_', ' ')}{internal}"
    )
    if other := entry["detail"].get("wrote_from"):
        head += f" (written from {other}, which is not their address)"
    text = [f"    {printable(line)}" for line in entry["text"].splitlines()]
    return "\n".join(["", printable(head.strip()), *text])
