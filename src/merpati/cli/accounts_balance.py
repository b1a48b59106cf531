"""`merpati accounts balance`: every accepted message is accounted for, or which hour is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from merpati.cli.output import Group, common_options, say, show, table
from merpati.cli.which_account import account_number
from merpati.events.balance import BalanceRow, balance
from merpati.runtime.setup import setup

COUNTS = (
    *("accepted", "delivered", "bounced", "suppressed", "expired"),
    *("cancelled", "failed", "waiting", "difference"),
)
ALWAYS_SHOWN = ("accepted", "delivered", "bounced", "waiting")


@click.group(
    cls=Group,
    examples=("merpati accounts balance", "merpati accounts balance --account 1 --json"),
)
def accounts() -> None:
    """Check that accepted mail is accounted for."""


@accounts.command(
    "balance",
    examples=("merpati accounts balance", "merpati accounts balance --account 1 --json"),
)
@common_options
@click.option("--account", metavar="A", help="Only this account's: number or name.")
def show_balance(data: Path, as_json: bool, account: str | None) -> int:
    """Show, per account and hour of injection, what became of accepted messages.

    Exact while Merpati runs and while it is stopped. accepted = delivered + bounced + suppressed +
    expired + cancelled + failed + waiting; where that does not hold the difference is shown, and
    the command ends with 1. Columns of zeros are left out of the table, never of --json.
    """
    folder = setup(data)
    rows = balance(folder.events, folder.spool, account_number(account))
    document = {"rows": [_document(row) for row in rows]}
    show(document, _table(rows) if rows else "no mail was accepted yet", as_json)
    wrong = [row for row in rows if row.difference]
    for row in wrong:
        say(
            f"account {row.account_id}, hour {row.starts_at:%Y-%m-%d %H}:00 UTC: "
            f"{row.accepted:,} accepted, {row.difference:+,} unaccounted for"
        )
    return 1 if wrong else 0


def _document(row: BalanceRow) -> dict[str, Any]:
    hour = row.starts_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"account_id": row.account_id, "hour": hour} | {
        name: getattr(row, name) for name in COUNTS
    }


def _table(rows: list[BalanceRow]) -> str:
    """Return the rows as a table that fits 80 columns: without columns that hold only zeros."""
    shown = [n for n in COUNTS if n in ALWAYS_SHOWN or any(getattr(row, n) for row in rows)]
    return table(
        ("account", "hour (UTC)", *shown),
        [
            (row.account_id, f"{row.starts_at:%Y-%m-%d %H}:00", *(getattr(row, n) for n in shown))
            for row in rows
        ],
    )
