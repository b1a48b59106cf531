"""`merpati backup` and `merpati restore`: a copy of everything, and a new instance from it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from merpati.cli.actor import actor, now
from merpati.cli.output import Command, common_options, say, show
from merpati.runtime.paths import DataFolder
from merpati.runtime.setup import SetupError, setup
from merpati.upkeep.backup import back_up
from merpati.upkeep.manifest import Manifest, Progress
from merpati.upkeep.restore import restore as restore_backup

MEGABYTE = 1 << 20
WIDTH = 78


@click.command(
    cls=Command, examples=("merpati backup /backup/monday", "merpati backup /backup/monday --json")
)
@click.argument("target", type=click.Path(path_type=Path))
@common_options
def backup(target: Path, data: Path, as_json: bool) -> int:
    """Copy everything, while Merpati runs, and verify it.

    TARGET is a new folder. It holds mail, events, accounts, keys and settings, so keep it as safe
    as the original. Ends with 1 when the balance of the copy does not hold, as then the original's
    does not.
    """
    if not DataFolder(data).secret_key.exists():
        raise SetupError(f"{data} holds no Merpati data")
    folder = setup(data)
    manifest = back_up(folder, target, now(), _progress())
    show(_document(target, manifest), f"{target} holds {_content(manifest)}, verified", as_json)
    if manifest.unbalanced:
        say(
            f"{manifest.unbalanced} hours do not balance, in the copy as in the original: "
            "see merpati accounts balance"
        )
    return 1 if manifest.unbalanced else 0


@click.command(
    cls=Command, examples=("merpati restore /backup/monday --data /var/lib/merpati-restored",)
)
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False))
@common_options
def restore(source: Path, data: Path, as_json: bool) -> None:
    """Make a new data folder from a backup; it sends nothing.

    DIR must be empty or missing. Every file is checked first. The copy takes mail and shows what
    it has, but sends nothing, scheduled mail included: its original may have sent it since.
    """
    manifest = restore_backup(source, data, by=actor(), now=now(), progress=_progress())
    text = (
        f"{data} holds {_content(manifest)}. All delivery is held. Start it with merpati run; "
        "once the original is stopped for good, merpati resume lets it send."
    )
    show(_document(data, manifest) | {"held": True}, text, as_json)


def _content(manifest: Manifest) -> str:
    size = manifest.size_bytes / MEGABYTE
    return f"{size:,.1f} MiB, {manifest.waiting:,} of {manifest.accepted:,} messages waiting"


def _document(folder: Path, manifest: Manifest) -> dict[str, Any]:
    fields = msgspec.structs.asdict(manifest)
    del fields["files"], fields["layout"]
    return {"path": str(folder), "size_bytes": manifest.size_bytes, **fields}


def _progress() -> Progress:
    """Return what shows the present step in one line of a terminal; elsewhere nothing is shown."""
    if not sys.stderr.isatty():
        return lambda text: None
    return lambda text: click.echo(f"\r{text[:WIDTH]:<{WIDTH}}\r", nl=False, err=True)
