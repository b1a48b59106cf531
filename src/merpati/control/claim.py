"""One Merpati a database: whoever runs holds a lock of the database itself, on whatever host.

Two that share one would send each other's mail twice: each has a spool of its own. The folder's
lock (`runtime/supervisor.py`) says the same of a data folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from merpati.control.errors import DatabaseInUse
from merpati.control.opening import connect
from merpati.control.place import ControlPlace, PostgresPlace

RUNNING = 0x6D657271  # beside the writers' turn in `postgresql/base.py`


@contextmanager
def claimed(place: ControlPlace) -> Iterator[None]:
    """Hold a database for one run; nothing to do for a file, which the folder's lock covers.

    The server frees it with the connection. Raises DatabaseInUse, DatabaseUnusable.
    """
    if not isinstance(place, PostgresPlace):
        yield
        return
    # It is idle for weeks: the kernel sees to it that the server still knows it is there.
    db = connect(place, application_name="merpati run", keepalives_idle=60)
    try:
        (is_ours,) = db.execute("SELECT pg_try_advisory_lock(%s)", [RUNNING]).fetchone() or (False,)
        if not is_ours:
            raise DatabaseInUse(
                f"another Merpati runs on the database {place}: stop it first, or give this one "
                "a database of its own (database.url)"
            )
        yield
    finally:
        db.close()
