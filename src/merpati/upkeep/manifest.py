"""The list that a backup carries: what it holds, and by which a restore knows it whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from merpati.adapters.codec import DecodeError, json_bytes, json_reader
from merpati.upkeep.errors import BackupDamaged

NAME = "backup.json"
LAYOUT = 1

Progress = Callable[[str], None]  # told what is done now, for people


class FileEntry(msgspec.Struct, frozen=True):
    """One file; sha256 in hex."""

    size_bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """made_at: RFC 3339, UTC; files: by path below the backup; unbalanced: hours that do not add
    up, as in the original at that moment.
    """

    layout: int
    version: str  # of Merpati
    made_at: str
    source: str
    accepted: int
    waiting: int
    unbalanced: int
    files: dict[str, FileEntry]

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(entry.size_bytes for entry in self.files.values())


_read = json_reader(Manifest)


def entry_of(path: Path) -> FileEntry:
    """Return what a file holds now. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return FileEntry(file.tell(), digest.hexdigest())


def list_files(folder: Path, progress: Progress) -> dict[str, FileEntry]:
    """Return all files below a folder but the list itself. Raises OSError."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != NAME:
            progress(f"sums up {name}")
            found[name] = entry_of(path)
    return found


def write(folder: Path, manifest: Manifest) -> None:
    """Write the list, durably. Raises OSError."""
    with (folder / NAME).open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(json_bytes(manifest))
        file.flush()
        os.fsync(file.fileno())


def read_checked(folder: Path, progress: Progress) -> Manifest:
    """Return a backup's list once every file in it is found to be as it says.

    Raises BackupDamaged.
    """
    try:
        manifest = _read.decode((folder / NAME).read_bytes())
    except FileNotFoundError:
        raise BackupDamaged(f"{folder} is no backup: it has no {NAME}") from None
    except DecodeError as error:
        raise BackupDamaged(f"{folder / NAME} is damaged: {error}") from error
    if manifest.layout > LAYOUT:
        raise BackupDamaged(f"{folder} was made by a newer Merpati ({manifest.version}); use that")
    for name, entry in manifest.files.items():
        progress(f"checks {name}")
        path = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise BackupDamaged(f"{folder / NAME} names a file outside the backup: {name}")
        if not path.is_file():
            raise BackupDamaged(f"{path} is missing; use another backup")
        if entry_of(path) != entry:
            raise BackupDamaged(f"{path} is not what was backed up; use another backup")
    return manifest
