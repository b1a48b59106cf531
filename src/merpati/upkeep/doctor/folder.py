"""The data folder: who may read it, and what room its disk has."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from merpati.runtime.hold import read_hold
from merpati.runtime.tls import certificate_in_use
from merpati.upkeep.doctor.finding import Finding, fail, ok, warn
from merpati.upkeep.doctor.scene import Scene

PERMISSIONS, DISK, HOLD = "folder.permissions", "folder.disk", "folder.hold"
FREE_INODES = 10_000
AMPLE = 4  # times the reserve


async def check(scene: Scene) -> list[Finding]:
    """Look at permissions and disk space."""
    return [*_permissions(scene), *_disk(scene), *_held(scene)]


def _permissions(scene: Scene) -> Iterator[Finding]:
    folder = scene.folder
    own_key = certificate_in_use(folder.tls, scene.settings.tls).key
    secrets = dict.fromkeys([folder.secret_key, *sorted(folder.tls.glob("*.key")), own_key])
    faults = [
        *_open_to_others(folder.root, 0o700),
        *(fault for path in secrets if path.exists() for fault in _open_to_others(path, 0o600)),
    ]
    yield from faults
    if not faults:
        yield ok(PERMISSIONS, str(folder.root), "only its owner can read mail, keys and secrets")
    if (owner := folder.root.stat().st_uid) != os.geteuid():
        yield warn(
            PERMISSIONS,
            str(folder.root),
            f"it belongs to user {owner}, and this command runs as user {os.geteuid()}",
            "run commands as the service's own user: files they make must be its own",
        )


def _held(scene: Scene) -> Iterator[Finding]:
    if hold := read_hold(scene.folder.hold):
        remedy = "merpati resume, once that is over"
        yield warn(HOLD, "", f"all delivery is held: {hold.reason}", remedy)


def _open_to_others(path: Path, wanted: int) -> Iterator[Finding]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        text = f"mode {mode:04o} lets other users in"
        yield fail(PERMISSIONS, str(path), text, f"chmod {wanted:04o} {path}")


def _disk(scene: Scene) -> Iterator[Finding]:
    disk = os.statvfs(scene.folder.root)
    free, reserve = disk.f_bavail * disk.f_frsize, scene.settings.spool.reserve_mb << 20
    text = f"{free >> 20:,} MiB are free; below {reserve >> 20:,} MiB no mail is accepted"
    subject, remedy = str(scene.folder.root), "free some space, or move the folder to a larger disk"
    if free < reserve:
        yield fail(DISK, subject, text, remedy)
    elif free < AMPLE * reserve:
        yield warn(DISK, subject, text, remedy)
    else:
        yield ok(DISK, subject, text)
    if disk.f_files and disk.f_favail < FREE_INODES:
        yield warn(
            DISK,
            subject,
            f"only {disk.f_favail:,} inodes are free",
            "remove small files, or use a file system with more inodes",
        )
