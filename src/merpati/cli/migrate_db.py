"""`merpati migrate-db`: the control data to another database, checked there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from merpati import settings
from merpati.cli.output import Command, common_options, say, show, table
from merpati.control.claim import claimed
from merpati.control.place import SQLITE_FILE, ControlPlace, SqlitePlace, parse_url
from merpati.runtime.setup import setup
from merpati.runtime.supervisor import lock_folder

OWN_FILE = "sqlite"  # instead of a URL


@click.command(
    cls=Command,
    examples=(
        "merpati migrate-db postgresql://merpati@db.example/merpati --dry-run",
        "PGPASSFILE=~/.pgpass merpati migrate-db postgresql://merpati@db.example/merpati --switch",
        "merpati migrate-db sqlite --switch",
    ),
)
@click.argument("url")
@common_options
@click.option("--dry-run", is_flag=True, help="Read and check everything, and change nothing.")
@click.option("--switch", is_flag=True, help="Write database.url into DIR/merpati.toml afterwards.")
def migrate_db(url: str, data: Path, as_json: bool, dry_run: bool, switch: bool) -> None:
    """Move the control data to another database, and check it.

    URL is an empty PostgreSQL database, or the word sqlite for the data folder's own file. Stop
    Merpati first. Everything is copied in one transaction and read back: each table's rows and
    checksum must be the source's. The source stays as it is. Mail and events stay in the folder.
    """
    target = _target(url, data)
    folder = setup(data)
    source = settings.control_place(folder.root)
    if str(source) == str(target):
        raise click.UsageError(f"the control data are in {target} already.")
    from merpati.upkeep.database_setting import set_database  # noqa: PLC0415 - needs Django set up
    from merpati.upkeep.transfer import examine, transfer  # noqa: PLC0415

    with lock_folder(folder), claimed(source), claimed(target), _progress() as told:
        if dry_run:
            tables = examine(source, target, told)
        else:
            tables = transfer(source, target, told, holding_writers=True)
    wanted = "" if isinstance(target, SqlitePlace) else url
    if switch and not dry_run:
        set_database(folder.settings_file, wanted)
    rows = sum(one.rows for one in tables)
    document: dict[str, Any] = {
        "source": str(source),
        "target": str(target),
        "rows": rows,
        "tables": [asdict(one) for one in tables],
        "dry_run": dry_run,
        "switched": switch and not dry_run,
    }
    head = ("table", "rows", "checksum")
    listed = table(head, [(one.table, one.rows, one.checksum[:16]) for one in tables])
    verb = "could be copied" if dry_run else "copied and read back"
    show(document, f"{listed}\n{rows:,} rows {verb}, from {source} to {target}", as_json)
    if dry_run:
        return
    if switch:
        say(f"{folder.settings_file} names it now: start Merpati again.")
    elif wanted:
        say(f"Now set database.url to {target} (with its password), then start Merpati again.")
    else:
        say("Now take database.url out of the settings, then start Merpati again.")


def _target(url: str, data: Path) -> ControlPlace:
    if url == OWN_FILE:
        return SqlitePlace(data / SQLITE_FILE)
    try:
        return parse_url(url)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="URL") from None


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Give what shows a bar with rows, rate and time left on a terminal; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield lambda step, done, total: None
        return
    from rich.console import Console  # noqa: PLC0415 - slow to load
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task("", total=None)
        step_shown = ""

        def told(step: str, done: int, total: int) -> None:
            nonlocal step_shown
            if step != step_shown:
                step_shown = step
                bar.reset(shown, description=step, total=total)
            bar.update(shown, completed=done)

        yield told
