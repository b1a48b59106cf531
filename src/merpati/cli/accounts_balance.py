"""`merpati accounts balance`: every accepted message is accounted for, or which hour is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from merpati.cli.output import Group, common_options, say, show, table
from merpati.events.balance import BalanceRow, balance
from merpati.runtime.setup import setup

COUNTS = (
    *("accepted", "delivered", "bounced", "suppressed", "expired"),
    *("cancelled", "failed", "waiting", "difference"),
)


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
@click.option("--account", "account_id", type=int, metavar="A", help="Of this account only.")
def show_balance(data: Path, as_json: bool, account_id: int | None) -> int:
    """Show, per account and hour of injection, what became of accepted messages.

    Exact while Merpati runs and while it is stopped. accepted = delivered + bounced + suppressed +
    expired + cancelled + failed + waiting; where that does not hold the difference is shown, and
    the command ends with 1.
    """
    folder = setup(data)
    rows = balance(folder.events, folder.spool, account_id)
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
    return table(
        ("account", "hour (UTC)", *COUNTS),
        [
            (row.account_id, f"{row.starts_at:%Y-%m-%d %H}:00", *(getattr(row, n) for n in COUNTS))
            for row in rows
        ],
    )
