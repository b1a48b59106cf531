"""Make the data folder, at first use by any command: folders, secret key, database, policy.

Two commands at once both work: one waits until the other is done. Where all is made already this
costs one look at the database.
"""

from __future__ import annotations

import fcntl
import os
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from merpati.adapters.secret_key import ensure_secret_key
from merpati.control.opening import is_made
from merpati.runtime.paths import DataFolder
from merpati.settings import control_place

PRIVATE_UMASK = 0o077  # the folder holds keys and mail: nobody else reads what we make


class SetupError(Exception):
    """The data folder cannot be used; `message` says why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def setup(data_dir: Path) -> DataFolder:
    """Return the data folder, complete and migrated, with Django set up for it in this process.

    Raises SetupError when it cannot be made or used, SettingsError, DatabaseUnusable.
    """
    os.umask(PRIVATE_UMASK)
    folder = DataFolder(data_dir.absolute())
    os.environ["MERPATI_DATA"] = str(folder.root)
    try:
        for path in (folder.root, folder.spool, folder.run, folder.tls):
            path.mkdir(mode=0o700, parents=path == folder.root, exist_ok=True)
        with _locked(folder.setup_lock):
            _check_key(folder)
        _set_up_django()  # a second of imports, which processes that start at once do side by side
        with _locked(folder.setup_lock):
            if not _is_migrated():
                _migrate()
            _publish_policy(folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SetupError(f"the data folder {folder.root} cannot be used: {reason}") from error
    return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # freed with the file, also when we are killed
        yield


def _check_key(folder: DataFolder) -> None:
    place = control_place(folder.root)
    if is_made(place) and not folder.secret_key.exists():
        raise SetupError(
            f"{folder.secret_key} is missing, but {place} exists: the keys in it cannot be opened "
            "without that file. Restore it from your backup."
        )
    try:
        ensure_secret_key(folder.secret_key)
    except ValueError as error:
        raise SetupError(str(error)) from error


def _set_up_django() -> None:
    import django  # noqa: PLC0415 - only after MERPATI_DATA names the folder

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "merpati.django_settings")
    django.setup()


def _is_migrated() -> bool:
    """Whether all migrations there are were applied, by name: to load them takes long."""
    from django.apps import apps  # noqa: PLC0415 - needs Django set up

    there = {
        (app.label, module.name)
        for app in apps.get_app_configs()
        for module in pkgutil.iter_modules([f"{app.path}/migrations"])
    }
    return there <= _applied()


def _applied() -> set[tuple[str, str]]:
    from django.db import connection  # noqa: PLC0415 - needs Django set up
    from django.db.migrations.recorder import MigrationRecorder  # noqa: PLC0415

    return set(MigrationRecorder(connection).applied_migrations())


def _migrate() -> None:
    from django.core.management import call_command  # noqa: PLC0415 - needs Django set up
    from django.db.migrations.loader import MigrationLoader  # noqa: PLC0415

    there, applied = MigrationLoader(None).disk_migrations, _applied()
    for migration in there.values():
        replaced = set(migration.replaces)
        if replaced & applied and replaced - applied - there.keys():
            raise SetupError(
                "the control database was made by a version that this one cannot follow: start "
                "commit 717fd6d on the data folder once, then this version. Nothing was changed."
            )
    call_command("migrate", verbosity=0, interactive=False)


def _publish_policy(folder: DataFolder) -> None:
    from merpati.sending.policy import publish_if_stale  # noqa: PLC0415 - needs Django set up

    publish_if_stale(folder.root)
