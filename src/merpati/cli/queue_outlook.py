"""`merpati queue outlook`: when a campaign's last message leaves, and what holds it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merpati.adapters.clock import SystemClock
from merpati.cli.output import Command, common_options, printable, say, show, table
from merpati.runtime.hold import read_hold
from merpati.runtime.setup import setup
from merpati.runtime.workers import running_workers

if TYPE_CHECKING:
    from merpati.events.campaign_outlook import Outlook

HEAD = (
    "pool",
    "provider",
    "waiting",
    "earliest",
    "latest",
    "held by",
    "for tomorrow",
    "sending IPs",
)


@click.command(
    "outlook",
    cls=Command,
    examples=(
        "merpati queue outlook --account 1",
        "merpati queue outlook spring --account 1 --language id",
        "merpati queue outlook spring --account 'Toko Kirim' --json",
    ),
)
@common_options
@click.argument("campaign", required=False)
@click.option("--account", required=True, metavar="A", help="Whose: number or name.")
@click.option(
    "--language", type=click.Choice(["en", "id"]), default="en", show_default=True, help="Of words."
)
def outlook(
    *, data: Path, as_json: bool, campaign: str | None, account: str, language: str
) -> None:
    """Tell when the last message of a campaign leaves, and what holds it; without one, of all.

    An estimate from what waits on disk, local hours and schedules, allowances of today and of the
    days to come, the split with an old provider, pace, pauses and orders. Two moments, where it is
    open how fast allowances rise. What replies will teach is not foreseen.
    """
    folder = setup(data)
    from django.utils import translation  # noqa: PLC0415 - needs Django set up

    from merpati.accounts.actions import find_account  # noqa: PLC0415
    from merpati.events.campaign_outlook import Outlooks, document  # noqa: PLC0415
    from merpati.events.worker_view import known_ways, nobody_knows  # noqa: PLC0415
    from merpati.sending.policy import published_policy  # noqa: PLC0415

    whose = find_account(account)
    if hold := read_hold(folder.hold):
        say(f"all delivery is held: {hold.reason} (merpati resume ends it)")
    workers = running_workers(folder)
    outlooks = Outlooks(
        folder.spool,
        lambda: published_policy(folder.root),
        known_ways(folder.run, workers) if workers else nobody_knows,
        lambda: hold.reason if hold else "",
    )
    now = SystemClock().now()
    with translation.override(language):
        if campaign is not None:
            found = outlooks.of(whose.pk, whose.shard, campaign, now)
            show(document(found), _text(found), as_json)
            return
        all_found = outlooks.all(whose.pk, whose.shard, now)
        texts = [f"{one.campaign_id or '(no campaign)'}: {_text(one)}" for one in all_found]
        documents = {"campaigns": [document(one) for one in all_found]}
        show(documents, "\n\n".join(texts) or "nothing waits", as_json)


def _text(found: Outlook) -> str:
    from merpati.events.outlook_words import sentence  # noqa: PLC0415 - needs Django set up

    rows = [
        (
            found.pools.get(part.queue.pool_id, part.queue.pool_id),
            f"{part.queue.provider} by the old provider"
            if part.queue.by_old
            else part.queue.provider,
            *(part.messages, _moment(part.earliest_at), _moment(part.last_at), part.held),
            *(part.for_tomorrow or "", ", ".join(part.sending_ips)),
        )
        for part in found.parts
    ]
    said = printable(sentence(found))
    return f"{said}\n\n{table(HEAD, rows)}" if rows else said


def _moment(at: int | None) -> str:
    return "" if at is None else f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M} UTC"
