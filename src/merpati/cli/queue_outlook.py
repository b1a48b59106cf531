"""`merpati queue outlook`: when a campaign's last message leaves, and what holds it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from merpati.adapters.clock import SystemClock
from merpati.cli.output import Command, common_options, printable, say, show, table
from merpati.runtime.hold import read_hold
from merpati.runtime.setup import setup


@click.command(
    "outlook",
    cls=Command,
    examples=(
        "merpati queue outlook spring --account 1",
        "merpati queue outlook spring --account 'Toko Kirim' --json",
    ),
)
@common_options
@click.argument("campaign")
@click.option("--account", required=True, metavar="A", help="Whose: number or name.")
def outlook(*, data: Path, as_json: bool, campaign: str, account: str) -> None:
    """Tell when the last message of a campaign leaves, and what holds it.

    An estimate from what waits on disk, local hours and schedules, allowances of today and of the
    days to come, pace and orders. Retries and what replies will teach are not foreseen.
    """
    folder = setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.events.campaign_outlook import Outlooks, document  # noqa: PLC0415
    from merpati.sending.policy import published_policy  # noqa: PLC0415

    found_account = find_account(account)
    if hold := read_hold(folder.hold):
        say(f"all delivery is held: {hold.reason} (merpati resume ends it)")
    outlooks = Outlooks(folder.spool, lambda: published_policy(folder.root))
    found = outlooks.of(found_account.pk, found_account.shard, campaign, SystemClock().now())
    rows = [
        (
            *(found.pools.get(part.pool_id, part.pool_id), part.provider, part.messages),
            *("" if part.last_at is None else _moment(part.last_at), part.held),
            *(part.for_tomorrow or "", ", ".join(part.sending_ips)),
        )
        for part in found.parts
    ]
    head = ("pool", "provider", "waiting", "last", "held by", "for tomorrow", "sending IPs")
    text = printable(found.sentence())
    show(document(found), f"{text}\n\n{table(head, rows)}" if rows else text, as_json)


def _moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M} UTC"
