"""`merpati events`: what happened to messages, the newest first, or as it happens."""

from __future__ import annotations

import time
from pathlib import Path

import click

from merpati.cli.output import Command, common_options, line, printable, say, show, style
from merpati.cli.which_account import account_number
from merpati.contracts.event import EventType
from merpati.events.search import FlatEvent, Wanted, positions
from merpati.events.store import reading
from merpati.runtime.paths import DataFolder
from merpati.runtime.setup import setup

FOLLOW_SECONDS = 0.5
FOLLOW_LIMIT = 1_000  # events a shard and look
COLOURS = {"delivery": "green", "delay": "yellow", "bounce": "red", "generation_failure": "red"}


@click.command(
    cls=Command,
    examples=(
        "merpati events",
        "merpati events --follow",
        "merpati events --type bounce --account 1 --limit 500 --json",
        "merpati events --recipient sari@penerima.example",
        "merpati events --follow --json    (one JSON document a line, as events come)",
    ),
)
@common_options
@click.option("--follow", is_flag=True, help="Show events as they come, until Ctrl-C.")
@click.option("--account", metavar="A", help="Only this account's: number or name.")
@click.option(
    "--type",
    "kind",
    type=click.Choice([str(kind) for kind in EventType]),
    help="Of this type only.",
)
@click.option("--recipient", metavar="R", help="Of this recipient only.")
@click.option("--transmission", metavar="T", help="Of this transmission only.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    help="How many of the newest to show.",
)
def events(
    data: Path,
    as_json: bool,
    *,
    follow: bool,
    account: str | None,
    kind: str | None,
    recipient: str | None,
    transmission: str | None,
    limit: int,
) -> None:
    """Show what happened to messages, the newest first.

    Fields have SparkPost's names. With --json one document {"events": […]} is printed; with
    --follow --json one event a line (NDJSON), the oldest first.
    """
    folder = setup(data)
    wanted = Wanted(account_number(account), kind, recipient, transmission)
    if follow:
        _follow(folder, wanted, as_json)
        return
    with reading(folder.events) as db:
        found = wanted.newest(db, limit)
    show({"events": found}, "\n".join(map(_for_people, found)) or "no events", as_json)


def _follow(folder: DataFolder, wanted: Wanted, as_json: bool) -> None:
    with reading(folder.events) as db:
        seen = positions(db)
    say("waiting for events; Ctrl-C ends")
    while True:
        with reading(folder.events) as db:
            found, seen = wanted.after(db, seen, FOLLOW_LIMIT)
        for event in found:
            click.echo(line(event) if as_json else _for_people(event))
        if not found:
            time.sleep(FOLLOW_SECONDS)


def _for_people(event: FlatEvent) -> str:
    kind = str(event["type"])
    words = [
        event["timestamp"],
        style(f"{kind:<18}", fg=COLOURS.get(kind)),
        printable(event["raw_rcpt_to"]),
        *(f"{name}={event[name]}" for name in ("sending_ip", "mailbox_provider") if name in event),
        f"message={event['message_id']}",
        printable(event.get("raw_reason", "")),
    ]
    return " ".join(word for word in words if word)
