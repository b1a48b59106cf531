"""`merpati config`: the settings in force, where each comes from, and whether they can be used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from merpati import settings
from merpati.cli.output import Group, common_options, show, table
from merpati.runtime.setup import setup


@click.group(cls=Group, examples=("merpati config show --origin", "merpati config check"))
def config() -> None:
    """Show the settings and where each comes from, and check them."""


@config.command(
    "show",
    examples=(
        "merpati config show --data ./data",
        "merpati config show --origin --json",
        "MERPATI_DELIVERY__PORT=2525 merpati config show --origin",
    ),
)
@common_options
@click.option("--origin", "with_origin", is_flag=True, help="Say where each value comes from.")
def show_settings(data: Path, as_json: bool, with_origin: bool) -> None:
    """Show the settings in force: environment, DIR/merpati.toml, defaults."""
    found = [replace(row, value=settings.shown(row)) for row in settings.origins(data)]
    document: dict[str, Any] = {
        row.name: {"value": row.value, "origin": row.origin} if with_origin else row.value
        for row in found
    }
    head = ("setting", "value", "origin") if with_origin else ("setting", "value")
    rows = [(row.name, _text(row.value), row.origin)[: len(head)] for row in found]
    show(document, table(head, rows), as_json)


@config.command("check", examples=("merpati config check", "merpati config check --json"))
@common_options
def check(data: Path, as_json: bool) -> int:
    """Tell whether the settings can be used, those of the desk's mail against its account.

    Ends with 1 when not. `merpati doctor` looks at host and DNS too.
    """
    current = settings.load(data)
    faults: list[dict[str, str]] = []
    desk = current.desk
    if desk.account or desk.support_address:
        setup(data)
        from merpati.adapters.clock import SystemClock  # noqa: PLC0415 - needs Django set up
        from merpati.sending.directory import Directory  # noqa: PLC0415
        from merpati.sending.outbox import OwnMailHeld, sending_account  # noqa: PLC0415

        try:
            sending_account(desk, Directory(SystemClock()))
        except OwnMailHeld as held:
            faults.append({"setting": held.field, "text": held.message})
    lines = [fault["text"] for fault in faults] or ["The settings can be used."]
    show({"faults": faults}, "\n".join(lines), as_json)
    return 1 if faults else 0


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
