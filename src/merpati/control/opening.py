"""Opening the control database without Django, and saying why where that fails.

psycopg is an extra (`merpati[pg]`): it is imported where PostgreSQL is asked for.
"""

from __future__ import annotations

import importlib.util
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from merpati.control.errors import DatabaseUnusable
from merpati.control.place import ControlPlace, PostgresPlace, SqlitePlace

if TYPE_CHECKING:
    import psycopg

OLDEST_SERVER = 14  # the oldest that Django supports
SETTING = "database.url"


def check_driver() -> None:
    """Raise DatabaseUnusable where what PostgreSQL needs is not installed."""
    if importlib.util.find_spec("psycopg") is None:
        raise DatabaseUnusable(
            f"{SETTING} names a PostgreSQL database, but its driver is not installed: "
            "pip install 'merpati[pg]'"
        )


def connect(place: PostgresPlace, **session: Any) -> psycopg.Connection[Any]:
    """Open a database of PostgreSQL; each statement is its own transaction.

    session: what libpq is told instead. Raises DatabaseUnusable.
    """
    check_driver()
    import psycopg  # noqa: PLC0415 - an extra

    try:
        db = psycopg.connect(**place.connection() | session, autocommit=True)
    except psycopg.Error as error:
        raise DatabaseUnusable(f"{SETTING} {place}: {_why(place, error)}") from None
    version = db.info.server_version // 10_000
    if version < OLDEST_SERVER:
        db.close()
        raise DatabaseUnusable(
            f"{SETTING} {place}: the server is PostgreSQL {version}; Merpati needs "
            f"{OLDEST_SERVER} or newer"
        )
    return db


def is_made(place: ControlPlace) -> bool:
    """Return whether there is a control database at a place already. Raises DatabaseUnusable."""
    if isinstance(place, SqlitePlace):
        return place.path.exists()
    with closing(connect(place)) as db:
        return db.execute("SELECT to_regclass('django_migrations')").fetchone() != (None,)


def open_to_read(place: SqlitePlace, timeout_seconds: float) -> sqlite3.Connection:
    """Open the file for reading, for any thread. Raises sqlite3.Error."""
    return sqlite3.connect(
        f"{place.path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=timeout_seconds,
        isolation_level=None,
        check_same_thread=False,
    )


def _why(place: PostgresPlace, error: psycopg.Error) -> str:
    """Return what the server or libpq says, and what to do; neither quotes a password."""
    said = re.sub(r"\s+", " ", str(error)).strip()
    said = re.sub(r"^connection failed: ", "", said)
    if place.password:
        said = said.replace(place.password, "***")
    if "authentication failed" in said or "no password supplied" in said:
        remedy = "give the right password, in the URL, in database.url_file or by PGPASSFILE"
    elif "does not exist" in said:
        remedy = f"make it: createdb {place.name}, or name another"
    elif "too many clients" in said or "remaining connection slots" in said:
        remedy = "raise the server's max_connections, or let fewer others in"
    else:
        remedy = "see that the server runs and that this host may reach it"
    return f"{said} ({remedy})"
