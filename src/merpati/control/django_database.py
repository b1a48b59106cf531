"""Django's `DATABASES` entry for a place of the control data."""

from __future__ import annotations

from typing import Any

from merpati.control.place import LOCK_SECONDS, ControlPlace, PostgresPlace

REPEATABLE_READ = 3  # psycopg.IsolationLevel's number, since psycopg is an extra


def django_database(
    place: ControlPlace, *, is_long: bool = False, for_one_moment: bool = False
) -> dict[str, Any]:
    """Return the entry. On both databases a transaction takes the right to write as it begins.

    is_long: for transactions that may last (`PostgresPlace.session`). for_one_moment: for those
    that only read, and see the data as of their beginning; nobody waits for them.
    """
    if isinstance(place, PostgresPlace):
        entry: dict[str, Any] = {
            "NAME": place.name,
            "USER": place.user,
            "PASSWORD": place.password,
            "HOST": place.host,
            "PORT": str(place.port or ""),
        }
        if for_one_moment:
            options = place.session(is_long=is_long) | {"isolation_level": REPEATABLE_READ}
            return entry | {"ENGINE": "django.db.backends.postgresql", "OPTIONS": options}
        return entry | {
            "ENGINE": "merpati.control.postgresql",
            "CONN_MAX_AGE": None,  # per thread, as below
            "CONN_HEALTH_CHECKS": True,  # a server that was restarted costs no page
            "OPTIONS": place.session(is_long=is_long),
        }
    entry = sqlite_database(str(place.path))
    if for_one_moment:
        entry["OPTIONS"]["transaction_mode"] = "DEFERRED"
    return entry


def sqlite_database(name: str) -> dict[str, Any]:
    """Return the entry of a SQLite file in WAL mode, or of `:memory:`.

    A transaction takes the write lock when it begins (IMMEDIATE): one that upgrades a read to a
    write half-way cannot wait for the lock and fails with "database is locked".
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": name,
        "CONN_MAX_AGE": None,  # per thread: opening one costs more than all else of an API call
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": LOCK_SECONDS,  # to wait for another writer
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
