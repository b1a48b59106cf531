"""One Merpati a database: whoever runs holds a lock of the database itself, on whatever host.

Two that share one would send each other's mail twice: each has a spool of its own. The folder's
lock (`runtime/supervisor.py`) says the same of a data folder.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from merpati.control.errors import DatabaseInUse
from merpati.control.opening import connect
from merpati.control.place import ControlPlace, PostgresPlace

if TYPE_CHECKING:
    import psycopg

RUNNING = 0x6D657271  # beside the writers' turn in `postgresql/base.py`
END_SECONDS = 5.0  # for the server to end a session of ours that it still believed in
_ENDED = """
    SELECT pg_terminate_backend(a.pid) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid = %s
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND a.application_name = %s
"""


class Claim:
    """A database held for one run. For one thread at a time.

    The server frees it with the connection, so that a restart of the server loses it: `renew`
    notices, and takes it anew.
    """

    def __init__(self, place: PostgresPlace) -> None:
        """Take it. Raises DatabaseInUse, DatabaseUnusable."""
        self._place = place
        # By its name we know a session of ours whose connection broke from somebody else's.
        self._name = f"merpati run {secrets.token_hex(8)}"
        self._db = self._taken()

    def renew(self) -> bool:
        """Make sure that it is still ours; return whether it had been lost.

        Raises DatabaseInUse: somebody took it meanwhile; DatabaseUnusable: the server is away.
        """
        import psycopg  # noqa: PLC0415 - an extra

        try:
            self._db.execute("SELECT 1")
        except psycopg.Error:
            self._db.close()
            self._db = self._taken()
            return True
        return False

    def close(self) -> None:
        """Give it up."""
        self._db.close()

    def _taken(self) -> psycopg.Connection[Any]:
        # It is idle for weeks: the kernel sees to it that the server still knows it is there.
        db = connect(self._place, application_name=self._name, keepalives_idle=60)
        deadline = time.monotonic() + END_SECONDS
        while not _is_locked_by(db):
            is_our_own = db.execute(_ENDED, [RUNNING, self._name]).fetchall()
            if not is_our_own or time.monotonic() > deadline:
                db.close()
                raise DatabaseInUse(
                    f"another Merpati runs on the database {self._place}: stop it first, or give "
                    "this one a database of its own (database.url)"
                )
            time.sleep(0.05)
        return db


@contextmanager
def claimed(place: ControlPlace) -> Iterator[Claim | None]:
    """Hold a database for one run; None for a file, which the folder's lock covers.

    Raises DatabaseInUse, DatabaseUnusable.
    """
    if not isinstance(place, PostgresPlace):
        yield None
        return
    claim = Claim(place)
    try:
        yield claim
    finally:
        claim.close()


def _is_locked_by(db: psycopg.Connection[Any]) -> bool:
    (is_ours,) = db.execute("SELECT pg_try_advisory_lock(%s)", [RUNNING]).fetchone() or (False,)
    return bool(is_ours)
