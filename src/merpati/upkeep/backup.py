"""A backup of a data folder, made while it is in use: nothing is lost in it, nothing twice.

The files are copied one after the other, each at a moment of its own, so their order matters:

1. **Trimming stops.** The recorder removes from the journals only what the event store holds; it
   leaves them whole while we hold the lock. Delivery and recording go on.
2. **The event store**, with its cursors: how far each journal is stored in it.
3. **The shards.** Each was copied later than the store, and nothing was trimmed in between, so its
   journal still has all that is behind the cursor: a copy's recorder goes on there, and each
   message waits or has its outcome in the journal, by the same transaction. The other way round
   the store would be ahead of the shards: mail that it calls delivered would wait, and new
   records would have numbers that it takes for old ones.
4. **The desk's unread mail**, then the **control database**, so that every account and every policy
   version that a shard names exists in it, and suppressions are the newest; then the files of the
   desk that it names. From PostgreSQL it is read at one moment, row by row, into the same file as
   it would be on SQLite, and checked: no dump that only some version of some program reads, and the
   copy starts anywhere.

Big bodies are files beside a shard, removed once their mail is gone. So the shard's moment is
pinned, then the bodies it names get a second name (a hard link, at once), then all is copied. A
body removed between the two means that its mail is gone by now: then a later moment is taken.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from merpati import __version__
from merpati.control.place import SqlitePlace
from merpati.events.balance import BalanceUnsteady, balance
from merpati.runtime.paths import DataFolder
from merpati.settings import control_place
from merpati.spool.files import SHARDS, shard_path
from merpati.upkeep.copying import (
    copy_file,
    copy_pinned,
    is_free,
    pinned,
    settle,
    sync,
    sync_folders,
)
from merpati.upkeep.errors import BackupFailed, TargetInUse
from merpati.upkeep.manifest import LAYOUT, Manifest, Progress, list_files, write
from merpati.upkeep.transfer import transfer

MOMENTS = 50  # tried for a shard whose bodies go away; each takes milliseconds
PARTIAL = ".partial"


def back_up(folder: DataFolder, target: Path, now: datetime, progress: Progress) -> Manifest:
    """Copy a data folder to `target`, verify the copy, and give it its name; return its list.

    Raises TargetInUse, BackupFailed.
    """
    target = target.absolute()
    draft = target.with_name(target.name + PARTIAL)
    _check_places(folder, target, draft)
    try:
        draft.mkdir(mode=0o700, parents=True)
        with _journals_kept(folder):
            _copy(folder, draft, progress)
        manifest = _verified(folder, draft, now, progress)
        write(draft, manifest)
        sync_folders(draft)
        draft.rename(target)
        sync(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise BackupFailed(f"the backup failed: {error}; what there is of it: {draft}") from error
    return manifest


def _check_places(folder: DataFolder, target: Path, draft: Path) -> None:
    root = folder.root.resolve()
    if root == target.resolve() or root in target.resolve().parents:
        raise TargetInUse(
            f"{target} is inside the data folder; choose a place outside, best on another disk"
        )
    if not is_free(target):
        raise TargetInUse(f"{target} is not empty; each backup needs a folder of its own")
    if draft.exists():
        raise TargetInUse(f"{draft} is left of a backup that was cut off; remove it first")


@contextlib.contextmanager
def _journals_kept(folder: DataFolder) -> Iterator[None]:
    """Keep the journals whole, and another backup waiting; a kill frees them."""
    with folder.trim_lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            raise BackupFailed(f"{folder.trim_lock} cannot be locked: {error}") from error
        yield


def _copy(folder: DataFolder, draft: Path, progress: Progress) -> None:
    _copy_database(folder.events, draft / folder.events.name, progress)
    (draft / folder.spool.name).mkdir(mode=0o700)
    for number in range(SHARDS):
        _copy_shard(folder, draft / folder.spool.name, number, progress)
    # Before the database: what is read meanwhile is in both then, and known by its name.
    for path in sorted(folder.incoming.glob("*.mail")):
        with contextlib.suppress(FileNotFoundError):  # read since: then its row is in the database
            copy_file(path, draft / folder.incoming.name / path.name)
    _copy_control(folder, draft / folder.control.name, progress)
    for path in (folder.secret_key, folder.settings_file, folder.policy, folder.hold):
        if path.exists():
            copy_file(path, draft / path.name)
    # After the database that names them: each was on disk before its row was, and none changes.
    for path in sorted(p for p in folder.files.glob("*/*") if p.name[0] != "."):
        copy_file(path, draft / folder.files.name / path.parent.name / path.name)
    for path in sorted(folder.tls.glob("*")):
        copy_file(path, draft / folder.tls.name / path.name)


def _copy_control(folder: DataFolder, target: Path, progress: Progress) -> None:
    """Copy the control data into a file, wherever they are: a backup is the same on both."""
    place = control_place(folder.root)
    if isinstance(place, SqlitePlace):
        _copy_database(place.path, target, progress)
        return

    def told(step: str, done: int, total: int) -> None:
        progress(f"{step} {done:,} of {total:,}")

    transfer(place, SqlitePlace(target), told, holding_writers=False)
    settle(target)


def _copy_database(source: Path, target: Path, progress: Progress) -> None:
    if source.exists():
        with closing(pinned(source)) as db:
            _copy_with_progress(db, target, progress)


def _copy_with_progress(db: sqlite3.Connection, target: Path, progress: Progress) -> None:
    copy_pinned(db, target, lambda percent: progress(f"copies {target.name} {percent} %"))


def _copy_shard(folder: DataFolder, target: Path, number: int, progress: Progress) -> None:
    source = shard_path(folder.spool, number)
    if not source.exists():
        return
    names = folder.run / f"backup-bodies-{number:02}"
    try:
        for _ in range(MOMENTS):
            shutil.rmtree(names, ignore_errors=True)  # of a backup that was killed, too
            with closing(pinned(source)) as db:
                if _keep_bodies(db, folder.spool / f"{number:02}", names):
                    _copy_with_progress(db, shard_path(target, number), progress)
                    break
        else:
            raise BackupFailed(f"shard {number:02}: big mail comes and goes too fast; try again")
        for body in sorted(names.glob("*")):
            copy_file(body, target / f"{number:02}" / body.name)
    finally:
        shutil.rmtree(names, ignore_errors=True)


def _keep_bodies(db: sqlite3.Connection, source: Path, names: Path) -> bool:
    """Give a second name to all bodies a moment of a shard needs; False if one is gone."""
    names.mkdir(mode=0o700)
    for (content_id,) in db.execute("SELECT id FROM content WHERE in_file = 1"):
        try:
            os.link(source / str(content_id), names / str(content_id))
        except FileNotFoundError:
            return False
    return True


def _verified(folder: DataFolder, draft: Path, now: datetime, progress: Progress) -> Manifest:
    """Look at the copy as at a data folder. Raises BackupFailed."""
    copy = DataFolder(draft)
    for path in sorted(draft.rglob("*.sqlite3")):
        progress(f"verifies {path.name}")
        with closing(sqlite3.connect(path)) as db:
            (verdict,) = db.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                raise BackupFailed(f"{path} is damaged ({verdict}): look at the source's disk")
    for number in range(SHARDS):
        _check_bodies(copy, number)
    try:
        rows = balance(copy.events, copy.spool)
    except BalanceUnsteady as error:
        raise BackupFailed(f"the copy lacks journal records: {error.message}") from error
    return Manifest(
        layout=LAYOUT,
        version=__version__,
        made_at=now.isoformat(timespec="seconds"),
        source=str(folder.root),
        accepted=sum(row.accepted for row in rows),
        waiting=sum(row.waiting for row in rows),
        unbalanced=sum(1 for row in rows if row.difference),
        files=list_files(draft, progress),
    )


def _check_bodies(copy: DataFolder, number: int) -> None:
    path = shard_path(copy.spool, number)
    if not path.exists():
        return
    with closing(sqlite3.connect(path)) as db:
        for (content_id,) in db.execute("SELECT id FROM content WHERE in_file = 1"):
            if not (copy.spool / f"{number:02}" / str(content_id)).is_file():
                raise BackupFailed(f"{path}: the body of content {content_id} is missing")
