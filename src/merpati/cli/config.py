"""`merpati config show`: the settings in force, and where each comes from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from merpati import settings
from merpati.cli.output import Group, common_options, show, table


@click.group(cls=Group, examples=("merpati config show --origin",))
def config() -> None:
    """Show the settings and where each comes from."""


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
    found = [_masked(row) for row in settings.origins(data)]
    document: dict[str, Any] = {
        row.name: {"value": row.value, "origin": row.origin} if with_origin else row.value
        for row in found
    }
    head = ("setting", "value", "origin") if with_origin else ("setting", "value")
    rows = [(row.name, _text(row.value), row.origin)[: len(head)] for row in found]
    show(document, table(head, rows), as_json)


def _masked(row: settings.Origin) -> settings.Origin:
    is_secret = row.name in settings.SECRETS and row.value
    return replace(row, value="(set)") if is_secret else row


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
