"""A data folder made from a backup: a new instance, which sends nothing until it is told to.

New identity: each shard gets a new nonce, so that Message-IDs of what is accepted from now on are
not those the original gave after the backup was made. The event store's cursors follow, since by
the nonce they know their shard. The hold is in the folder before it has its name. Its control data
are in its own file, also where the original's are in PostgreSQL.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from merpati.adapters.codec import DecodeError
from merpati.runtime.hold import set_hold
from merpati.runtime.paths import DataFolder
from merpati.runtime.setup import setup
from merpati.spool.files import SHARDS, shard_path
from merpati.upkeep.copying import copy_file, is_free, sync, sync_folders
from merpati.upkeep.database_setting import set_database
from merpati.upkeep.errors import BackupDamaged, TargetInUse
from merpati.upkeep.manifest import Manifest, Progress, read_checked

PARTIAL = ".restoring"


def restore(backup: Path, target: Path, *, by: str, now: datetime, progress: Progress) -> Manifest:
    """Make the data folder `target` from a backup; return the backup's list.

    Raises BackupDamaged, TargetInUse, SettingNotChanged, OSError. Nothing has the target's name
    until all is done.
    """
    target, backup = target.absolute(), backup.absolute()
    draft = target.with_name(target.name + PARTIAL)
    if not is_free(target):
        raise TargetInUse(f"{target} is not empty; a backup is restored into a folder of its own")
    if draft.exists():
        raise TargetInUse(f"{draft} is left of a restore that was cut off; remove it first")
    for name in ("MERPATI_DATABASE__URL", "MERPATI_DATABASE__URL_FILE"):
        if os.environ.get(name):
            raise TargetInUse(
                f"{name} is set, and names the original's database: unset it. A restored copy has "
                "its control data in a file; merpati migrate-db moves them to another database"
            )
    manifest = read_checked(backup, progress)
    draft.mkdir(mode=0o700, parents=True)
    folder = DataFolder(draft)
    reason = f"restored from the backup of {manifest.made_at}"
    set_hold(folder.hold, reason, by=by, now=now)
    for name in manifest.files:
        if name != folder.hold.name:
            progress(f"copies {name}")
            copy_file(backup / name, draft / name)
    if folder.settings_file.exists():
        set_database(folder.settings_file, "")  # it names the original's
    try:
        newest = _take_new_identity(folder)
    except sqlite3.Error as error:
        raise BackupDamaged(f"{backup}: a database cannot be used: {error}") from error
    _enter(folder, target, newest, manifest, by=by, now=now)
    sync_folders(draft)
    draft.rename(target)
    sync(target.parent)
    return manifest


def _take_new_identity(folder: DataFolder) -> int:
    """Give all shards new nonces; return the newest policy version that waiting mail names."""
    newest = 0
    nonces: list[tuple[str, int, str]] = []  # new, shard, old
    for number in range(SHARDS):
        path = shard_path(folder.spool, number)
        if not path.exists():
            continue
        with closing(sqlite3.connect(path)) as db, db:
            (old,) = db.execute("SELECT value FROM meta WHERE name = 'nonce'").fetchone()
            nonces.append((secrets.token_hex(4), number, old))
            db.execute("UPDATE meta SET value = ? WHERE name = 'nonce'", (nonces[-1][0],))
            (found,) = db.execute("SELECT max(policy_version) FROM content").fetchone()
            newest = max(newest, found or 0)
    if folder.events.exists():
        with closing(sqlite3.connect(folder.events)) as db, db:
            # Only where the store knew this very file: else it is to begin anew, as it would have.
            db.executemany("UPDATE cursor SET nonce = ? WHERE shard = ? AND nonce = ?", nonces)
    return newest


def _enter(
    folder: DataFolder, target: Path, newest: int, manifest: Manifest, *, by: str, now: datetime
) -> None:
    """Publish a policy that is newer than all mail, and write the restore into the audit trail."""
    setup(folder.root)
    from django.db import connections, transaction  # noqa: PLC0415 - needs Django set up

    from merpati.accounts import audit  # noqa: PLC0415
    from merpati.sending import policy  # noqa: PLC0415

    try:
        published = policy.published_policy(folder.root)
    except DecodeError:
        published = None
    at_least = max(newest, published.version if published else 0) + 1
    with transaction.atomic():
        policy.bump(at_least)
        audit.record(
            "restore_backup",
            str(target),
            by=by,
            now=now,
            account_id=None,
            made_at=manifest.made_at,
            source=manifest.source,
        )
    policy.publish_if_stale(folder.root)
    connections.close_all()
