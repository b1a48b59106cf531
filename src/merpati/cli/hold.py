"""`merpati hold` and `merpati resume`: keep all delivery still, and let it go on."""

from __future__ import annotations

from pathlib import Path

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Command, common_options, show
from merpati.runtime.hold import end_hold, read_hold, set_hold
from merpati.runtime.setup import setup


@click.command(cls=Command, examples=("merpati hold --reason 'the new route is being tested'",))
@common_options
@click.option("--reason", required=True, help="Shown by merpati queue, and kept in the audit.")
def hold(data: Path, as_json: bool, reason: str) -> None:
    """Keep all delivery still; mail is still accepted.

    Workers follow within two seconds, and stay so across restarts. What is on a connection ends.
    Nothing expires meanwhile.
    """
    folder = setup(data)
    _record("hold_delivery", reason)
    set_hold(folder.hold, reason, by=actor(), now=now())
    show({"held": True, "reason": reason}, "all delivery is held: merpati resume ends it", as_json)


@click.command(cls=Command, examples=("merpati resume",))
@common_options
def resume(data: Path, as_json: bool) -> None:
    """Let delivery go on after a hold or a restore.

    Everything that waits and is due is sent. After a restore look first whether the original still
    runs, or has sent since the backup was made: what both hold is sent by both.
    """
    folder = setup(data)
    held = read_hold(folder.hold)
    if held is not None:
        _record("resume_delivery", held.reason)
        end_hold(folder.hold)
    text = f"delivery goes on; it was held: {held.reason}" if held else "nothing was held"
    show({"held": False, "was_held": held.reason if held else None}, text, as_json)


def _record(action: str, reason: str) -> None:
    from django.db import transaction  # noqa: PLC0415 - needs Django set up

    from merpati.accounts import audit  # noqa: PLC0415

    with transaction.atomic():
        audit.record(action, "all delivery", by=actor(), now=now(), account_id=None, reason=reason)
