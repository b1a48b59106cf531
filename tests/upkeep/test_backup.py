"""A backup of shards that are written to, delivered from, recorded and trimmed meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from merpati.events.balance import balance
from merpati.events.recorder import Recorder
from merpati.runtime.clock import PatientTrimmer
from merpati.runtime.paths import DataFolder
from merpati.spool.errors import SpoolUnavailable
from merpati.upkeep import backup as backups
from merpati.upkeep.backup import back_up
from merpati.upkeep.errors import BackupDamaged, BackupFailed, TargetInUse
from merpati.upkeep.manifest import read_checked
from tests.support.smtp_sink import SmtpSink
from tests.support.worker import Worker, policy, worker
from tests.upkeep.scenes import MOMENT

MOST_WAITING = 100  # messages: a second of a slow machine
LARGE = 300_000  # characters of text: a body in a file of its own


def silent(_: str) -> None:
    pass


class ThroughLoop:
    """Trims as the worker's socket would, from the recorder's thread."""

    def __init__(self, it: Worker, loop: asyncio.AbstractEventLoop) -> None:
        self._it = it
        self._loop = loop
        self.trimmed = 0

    def trim(self, shard: int, seq: int) -> None:
        work = self._it.shard.trim(seq) if shard == 1 else asyncio.sleep(0)
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
        self.trimmed += 1


@contextlib.asynccontextmanager
async def recording(it: Worker, folder: DataFolder) -> AsyncIterator[ThroughLoop]:
    """Record all the while until the block ends."""
    trimmer = ThroughLoop(it, asyncio.get_running_loop())
    stop = threading.Event()

    def record() -> None:
        patient = PatientTrimmer(trimmer, folder.trim_lock)
        with Recorder(folder.events, folder.spool, patient) as recorder:
            while not stop.wait(0.02):
                recorder.step()

    recorder = asyncio.create_task(asyncio.to_thread(record))
    try:
        yield trimmer
    finally:
        stop.set()
        await recorder


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    data = DataFolder(tmp_path / "data")
    data.root.mkdir(mode=0o700)
    data.run.mkdir()
    data.secret_key.write_bytes(b"secret")
    return data


async def keep_sending(it: Worker) -> None:
    """Accept small and large mail as fast as it goes out, so that it is soon gone at the end."""
    for number in range(100_000):
        while it.waiting() > MOST_WAITING:  # noqa: ASYNC110 - another thread settles
            await asyncio.sleep(0.01)
        names = [f"u{number}-{n}@x.example" for n in range(20)]
        await it.inject(*names, text="x" * (LARGE if number % 3 == 0 else 100))
        await asyncio.sleep(0)


async def test_a_copy_made_under_load_balances_each_time(
    folder: DataFolder, tmp_path: Path
) -> None:
    sink = SmtpSink()
    async with (
        sink.running(),
        worker(folder.root, policy(sink.port)) as it,
        recording(it, folder) as trimmer,
    ):
        sending = asyncio.create_task(keep_sending(it))
        try:
            await it.until(lambda: len(sink.received) > 100 and trimmer.trimmed)
            accepted = 0
            for round_number in range(2):
                before = trimmer.trimmed
                target = tmp_path / f"copy-{round_number}"
                manifest = await asyncio.to_thread(back_up, folder, target, MOMENT, silent)
                assert manifest.unbalanced == 0
                assert manifest.accepted > accepted
                accepted = manifest.accepted
                read_checked(target, silent)
                # Both go on after it.
                await it.until(
                    lambda before=before, accepted=accepted: (
                        trimmer.trimmed > before and len(sink.received) > accepted
                    )
                )
        finally:
            sending.cancel()
        await it.until(lambda: it.waiting() == 0)
    assert not list(folder.run.glob("backup-bodies-*"))
    copy = DataFolder(tmp_path / "copy-1")
    assert sum(row.accepted for row in balance(copy.events, copy.spool)) == accepted
    assert all(row.difference == 0 for row in balance(copy.events, copy.spool))


async def test_the_recorder_does_not_trim_while_a_backup_runs(
    folder: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Trims:
        count = 0

        def trim(self, shard: int, seq: int) -> None:
            self.count += 1

    trims = Trims()
    patient = PatientTrimmer(trims, folder.trim_lock)
    patient.trim(1, 1)

    def try_to_trim(*_: object) -> None:
        with pytest.raises(SpoolUnavailable, match="a backup keeps the journals"):
            patient.trim(1, 2)

    monkeypatch.setattr(backups, "_copy", try_to_trim)
    back_up(folder, tmp_path / "copy", MOMENT, silent)
    patient.trim(1, 3)
    assert trims.count == 2


async def test_a_body_that_goes_away_makes_the_backup_take_a_later_moment(
    folder: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = SmtpSink()
    async with sink.running(), worker(folder.root, None) as it:
        await it.inject("a@x.example", text="x" * LARGE)
        looks = []
        real = backups._keep_bodies

        def slow(db: sqlite3.Connection, source: Path, names: Path) -> bool:
            looks.append(source.name)
            if len(looks) == 1:
                loop.call_soon_threadsafe(it.engine.use_policy, policy(sink.port))
                while any(source.iterdir()):  # until it is delivered and its body is gone
                    pass
            return real(db, source, names)

        loop = asyncio.get_running_loop()
        monkeypatch.setattr(backups, "_keep_bodies", slow)
        manifest = await asyncio.to_thread(back_up, folder, tmp_path / "copy", MOMENT, silent)
    assert len(looks) == 2
    assert (manifest.accepted, manifest.waiting, manifest.unbalanced) == (1, 0, 0)


async def test_large_bodies_that_wait_are_in_the_copy(folder: DataFolder, tmp_path: Path) -> None:
    async with worker(folder.root, None) as it:
        await it.inject("a@x.example", text="x" * LARGE)
        manifest = await asyncio.to_thread(back_up, folder, tmp_path / "copy", MOMENT, silent)
    (body,) = [name for name in manifest.files if name.startswith("spool/01/")]
    original = next((folder.spool / "01").iterdir())
    assert (tmp_path / "copy" / body).read_bytes() == original.read_bytes()
    assert (tmp_path / "copy" / "secret.key").read_bytes() == b"secret"
    modes = {p.stat().st_mode & 0o777 for p in (tmp_path / "copy").rglob("*") if p.is_file()}
    assert modes == {0o600}
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o700


def test_a_copy_without_journal_records_is_never_called_a_backup(
    folder: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it would be were the store copied and the journal trimmed after it."""

    async def accept() -> None:
        async with worker(folder.root, None) as it:
            await it.inject("a@x.example")
            await it.shard.trim(1)

    asyncio.run(accept())
    with pytest.raises(BackupFailed, match="lacks journal records"):
        back_up(folder, tmp_path / "copy", MOMENT, silent)
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("place", ["data", "data/inside", "full"])
def test_a_backup_takes_only_a_free_place_outside(
    folder: DataFolder, tmp_path: Path, place: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thing").touch()
    with pytest.raises(TargetInUse):
        back_up(folder, tmp_path / place, MOMENT, silent)
    with pytest.raises(TargetInUse, match="cut off"):
        (tmp_path / "new.partial").mkdir()
        back_up(folder, tmp_path / "new", MOMENT, silent)


@pytest.fixture
def copy(folder: DataFolder, tmp_path: Path) -> Path:
    back_up(folder, tmp_path / "copy", MOMENT, silent)
    return tmp_path / "copy"


def test_a_backup_whose_files_changed_is_refused(copy: Path) -> None:
    read_checked(copy, silent)
    (copy / "secret.key").write_bytes(b"sacred")
    with pytest.raises(BackupDamaged, match="is not what was backed up"):
        read_checked(copy, silent)
    (copy / "secret.key").unlink()
    with pytest.raises(BackupDamaged, match="is missing"):
        read_checked(copy, silent)


@pytest.mark.parametrize("name", ["../data/secret.key", "/etc/hostname"])
def test_a_list_that_names_files_outside_is_refused(copy: Path, name: str) -> None:
    manifest = json.loads((copy / "backup.json").read_text())
    manifest["files"][name] = manifest["files"]["secret.key"]
    (copy / "backup.json").write_text(json.dumps(manifest))
    with pytest.raises(BackupDamaged, match="outside the backup"):
        read_checked(copy, silent)


def test_what_is_no_backup_or_a_newer_one_is_refused(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupDamaged, match="is no backup"):
        read_checked(tmp_path, silent)
    manifest = json.loads((copy / "backup.json").read_text())
    (copy / "backup.json").write_text(json.dumps(manifest | {"layout": 99}))
    with pytest.raises(BackupDamaged, match="newer Merpati"):
        read_checked(copy, silent)
