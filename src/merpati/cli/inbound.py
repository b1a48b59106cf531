"""`merpati inbound`: what came in for our return paths, as it came."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from merpati.cli.output import Group, common_options, printable, show, table
from merpati.cli.which_account import account_number
from merpati.events.inbound import find, newest
from merpati.events.store import reading
from merpati.runtime.setup import setup


@click.group(
    cls=Group,
    examples=("merpati inbound list", "merpati inbound show 576460752304472064"),
)
def inbound() -> None:
    """Show bounce reports that came in."""


@inbound.command(
    "list",
    examples=("merpati inbound list", "merpati inbound list --account 1 --limit 500 --json"),
)
@click.option("--account", metavar="A", help="Only this account's: number or name.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    help="How many of the newest to show.",
)
@common_options
def list_inbound(data: Path, as_json: bool, *, account: str | None, limit: int) -> None:
    """Show what came in, the newest first. Nothing of it is acted upon yet."""
    folder = setup(data)
    account_id = account_number(account)
    with reading(folder.events) as db:
        found = newest(db, account_id, limit)
    rows = [
        (
            str(stored.id),
            datetime.fromtimestamp(stored.mail.received_at / 1000, UTC),
            stored.message_id,
            stored.mail.msg_from or "<>",
            stored.mail.peer,
            stored.mail.size_bytes,
        )
        for stored in found
    ]
    text = table(("ID", "RECEIVED", "MESSAGE", "FROM", "PEER", "BYTES"), rows, "nothing came in")
    show({"inbound": [stored.document() for stored in found]}, text, as_json)


@inbound.command(
    "show",
    examples=("merpati inbound show 576460752304472064",),
)
@click.argument("mail_id", metavar="ID", type=int)
@common_options
def show_one(mail_id: int, data: Path, as_json: bool) -> None:
    """Print one message as it came; a long one's first 64 KB."""
    folder = setup(data)
    with reading(folder.events) as db:
        stored = find(db, mail_id)
    if stored is None:
        raise click.ClickException(
            f"there is no inbound message {mail_id}; `merpati inbound list` shows those there are"
        )
    text = stored.mail.data.decode("utf-8", "replace")
    show(stored.document() | {"data": text}, "\n".join(map(printable, text.splitlines())), as_json)
