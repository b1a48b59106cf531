"""`merpati engagement`: when recipients last opened or clicked, for who goes first in a warm-up."""

from __future__ import annotations

import codecs
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Group, common_options, show
from merpati.runtime.setup import setup

ROWS_AT_ONCE = 10_000  # one transaction: others get their turn between


@click.group(
    cls=Group,
    examples=(
        "merpati engagement import last-opens.csv --account 1",
        "merpati engagement show --account 1",
    ),
)
def engagement() -> None:
    """Import when recipients last opened or clicked; a warm-up mails those first."""


@engagement.command(
    "import",
    examples=(
        "merpati engagement import last-opens.csv --account 1",
        "merpati engagement import export.csv --account 'Toko Kirim' --encoding cp1252",
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--account", required=True, metavar="A", help="Its number or name.")
@click.option(
    "--encoding", default="utf-8", show_default=True, metavar="NAME", help="Of the file's text."
)
@common_options
def import_file(file: Path, *, account: str, encoding: str, data: Path, as_json: bool) -> None:
    """Read a CSV of the old provider: an address and the last open, click or both in each line.

    The first line names the columns: email, and engaged_on, last_open or last_click (the latest
    day counts). The file is checked whole before anything is kept. Of two days the later stays, so
    a repeat does no harm.
    """
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.sending.engagement import record_engagements, record_import  # noqa: PLC0415
    from merpati.sending.engagement_csv import read_engagement  # noqa: PLC0415

    try:
        codecs.lookup(encoding)
    except LookupError:
        raise click.BadParameter(
            f"{encoding!r} is no encoding; try utf-8 or cp1252", param_hint="--encoding"
        ) from None
    owner, at = find_account(account), now()
    size = file.stat().st_size
    with _progress(size, "checking") as bar, file.open("rb") as source:
        for _ in read_engagement(source, at.date(), encoding, bar.update):
            pass
    count, rows = 0, []
    with _progress(size, "importing") as bar, file.open("rb") as source:
        for row in read_engagement(source, at.date(), encoding, bar.update):
            rows.append(row)
            if len(rows) == ROWS_AT_ONCE:
                count += record_engagements(owner.pk, rows)
                rows.clear()
    count += record_engagements(owner.pk, rows)
    record_import(owner.pk, file.name, count, by=actor(), now=at)
    document = {"account_id": owner.pk, "imported": count}
    show(document, f"{count:,} recipients were imported to account {owner.pk}.", as_json)


def _progress(size: int, label: str) -> AbstractContextManager[Any]:
    """Return a bar on stderr; click shows none where that is no terminal."""
    return click.progressbar(
        length=size,
        label=label,
        file=sys.stderr,
        update_min_steps=max(1, size // 200),
    )


@engagement.command(
    "show",
    examples=(
        "merpati engagement show --account 1",
        "merpati engagement show sari@contoh.example --account 1 --json",
    ),
)
@click.argument("recipient", required=False)
@click.option("--account", required=True, metavar="A", help="Its number or name.")
@common_options
def show_engagement(recipient: str | None, *, account: str, data: Path, as_json: bool) -> None:
    """Show when a recipient last engaged, or how many did how lately."""
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.sending.engagement import (  # noqa: PLC0415
        WITHIN_DAYS,
        find_engagement,
        summary,
        tier_of,
    )

    owner, today = find_account(account), now().date()
    if recipient is not None:
        found = find_engagement(owner.pk, recipient)
        tier = tier_of(found.engaged_on, today)
        document = {
            "recipient": found.recipient,
            "engaged_on": found.engaged_on.isoformat(),
            "tier": tier,
        }
        show(document, f"{found.recipient}: {found.engaged_on} (tier {tier})", as_json)
        return
    counts = summary(owner.pk, today)
    names = [f"within {days} days" for days in WITHIN_DAYS] + ["longer ago"]
    lines = [f"{counts[f'tier_{tier}']:>12,}  {name}" for tier, name in enumerate(names, 1)]
    text = f"{counts['recipients']:,} recipients, the latest on {counts['latest']}\n"
    empty = "nothing is known; import it: merpati engagement import FILE --account A"
    show(counts, text + "\n".join(lines) if counts["recipients"] else empty, as_json)
