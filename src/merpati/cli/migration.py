"""`merpati migration`: how an account's mail moves from its old provider, day by day.

What changes one is in `migration_acts.py`; plans and steps stand beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from merpati.cli.migration_acts import cut_over, override, pause, remove, resume, roll_back, start
from merpati.cli.migration_plan import change, create, plan
from merpati.cli.migration_steps import check_ptr, steps, tick
from merpati.cli.output import Group, common_options, show, table
from merpati.cli.which_migration import find, today
from merpati.runtime.setup import setup

if TYPE_CHECKING:
    from merpati.reputation.words import Language

_CRITERIA = {
    "all_moved": "recipients who have moved",
    "complaints": "complaints",
    "bounces": "hard bounces",
    "refused": "attempts refused",
    "old_unused": "messages by the old provider",
}


@click.group(
    cls=Group,
    examples=(
        "merpati migration plan traffic.csv --starts-on 2027-01-11",
        "merpati migration create 1 'To Merpati' traffic.csv --egress old --starts-on 2027-01-11",
        "merpati migration steps 1",
        "merpati migration start 1",
        "merpati migration show 1",
        "merpati migration report 1",
        "merpati migration cut-over 1",
    ),
)
def migration() -> None:
    """Move an account's mail from its old provider, day by day."""


@migration.command("list", examples=("merpati migration list", "merpati migration list --json"))
@click.option("--account", metavar="A", help="Only this account's.")
@common_options
def list_migrations(account: str | None, data: Path, as_json: bool) -> None:
    """List migrations, the newest first."""
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.plans.migration.documents import migration_document  # noqa: PLC0415
    from merpati.plans.migration.finding import migrations_of  # noqa: PLC0415

    rows = list(migrations_of(find_account(account).pk if account else None))
    head = ("id", "account", "name", "state", "starts on", "old provider")
    text = table(
        head,
        [
            [row.pk, row.account.name, row.name, row.state, row.starts_on,
             row.egress.name if row.egress else "–"]
            for row in rows
        ],
        "no migrations; make one: merpati migration create ACCOUNT NAME CSV --egress NAME",
    )  # fmt: skip
    show({"migrations": [migration_document(row) for row in rows]}, text, as_json)


@migration.command("show", examples=("merpati migration show 1", "merpati migration show 1 --json"))
@click.argument("number", type=int)
@common_options
def show_migration(number: int, data: Path, as_json: bool) -> None:
    """Show how a migration goes: plan against sent, by provider and day, and why."""
    folder = setup(data)
    from merpati.events.store import reading  # noqa: PLC0415 - needs Django set up
    from merpati.plans.migration.documents import (  # noqa: PLC0415
        latest_decision,
        migration_document,
        progress_document,
        reason_words,
    )
    from merpati.plans.migration.progress import progress_of  # noqa: PLC0415

    found, this_day = find(number), today()
    with reading(folder.events) as db:
        cells = progress_of(found, db)
    rows = []
    for one in cells:
        planned = next((day.planned for day in one.days if day.day == this_day), None)
        sent = one.on(this_day)
        rows.append(
            [
                one.cell.pool, one.cell.provider, f"{one.cell.share / 100:g} %", planned,
                sent.ours, sent.old, sent.refused, one.cell.done_likely or "–",
                reason_words(latest_decision(one, this_day), "en") or "not begun",
            ]
        )  # fmt: skip
    head = (
        "pool", "provider", "moved", "planned today", "from here", "old way", "refused",
        "done about", "why",
    )  # fmt: skip
    reason = f" ({found.reason})" if found.reason else ""
    text = f"{found.name}: {found.state}{reason}, from {found.starts_on}\n{table(head, rows)}"
    document = migration_document(found) | {"providers": progress_document(cells, this_day)}
    show(document, text, as_json)


@migration.command("report", examples=("merpati migration report 1",))
@click.argument("number", type=int)
@common_options
def report(number: int, data: Path, as_json: bool) -> int:
    """Say whether the old provider can go, criterion by criterion. Ends with 1 when it cannot."""
    folder = setup(data)
    from merpati.events.store import reading  # noqa: PLC0415 - needs Django set up
    from merpati.plans.migration.documents import report_document  # noqa: PLC0415
    from merpati.plans.migration.progress import progress_of  # noqa: PLC0415
    from merpati.plans.migration.report import report_of  # noqa: PLC0415

    with reading(folder.events) as db:
        made = report_of(progress_of(find(number), db), today())
    document = report_document(made)
    rows = [
        [
            "yes" if one["met"] else "no",
            _CRITERIA[one["criterion"]],
            "nothing sent" if one["percent"] is None else f"{one['percent']:g} %",
            f"{one['limit_percent']:g} %",
        ]
        for one in document["criteria"]
    ]
    verdict = "The old provider can go." if made.is_ready else "The old provider is still needed."
    text = "\n".join(
        (
            f"{made.since} to {made.until}; in all {made.ours:,} from here, {made.old:,} the old "
            f"way, {made.refused:,} attempts refused",
            table(("met", "criterion", "is", "limit"), rows),
            verdict,
        )
    )
    show(document, text, as_json)
    return 0 if made.is_ready else 1


@migration.command(
    "calendar",
    examples=(
        "merpati migration calendar 1 > migration.ics",
        "merpati migration calendar 1 --language id > migrasi.ics",
    ),
)
@click.argument("number", type=int)
@click.option(
    "--language", type=click.Choice(["en", "id"]), default="en", show_default=True, help="Of words."
)
@common_options
def calendar(number: int, language: Language, data: Path, as_json: bool) -> None:
    """Write the milestones as an iCalendar file; with --json as a list."""
    setup(data)
    from merpati.plans.migration.feed import feed  # noqa: PLC0415 - needs Django set up
    from merpati.plans.migration.stored_plan import plan_of  # noqa: PLC0415
    from merpati.reputation.milestones import milestones_of  # noqa: PLC0415

    found = find(number)
    milestones = milestones_of(plan_of(found, min(today(), found.starts_on)), language)
    document = [{"day": one.day, "title": one.title, "detail": one.detail} for one in milestones]
    show({"milestones": document}, feed(found, milestones).decode().rstrip(), as_json)


for _command in (
    plan,
    create,
    change,
    start,
    steps,
    tick,
    check_ptr,
    pause,
    resume,
    override,
    roll_back,
    cut_over,
    remove,
):
    migration.add_command(_command)
