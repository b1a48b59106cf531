"""Writers take turns, and text is ordered by its code points: both as on SQLite.

**Turns.** An action reads, judges and writes in one transaction. On SQLite that transaction begins
IMMEDIATE, so nobody writes in between; here an advisory lock of the database does the same for
every `transaction.atomic()`, whoever wrote it and in whatever process, on whatever host. Readers
wait for nobody. Control data change at the pace of people and of API calls about accounts, never
at that of mail, so one writer at a time is far from being a limit (docs/performance.md), and an
action that is right on one database is right on both. A single statement outside a transaction
takes no turn: it is atomic by itself.

**Text.** Columns of text compare by code point (`COLLATE "C"`), whatever locale the database was
made with: lists come in the same order on both, and no upgrade of the system's locales spoils an
index.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.db.backends.postgresql import base

WRITERS_TURN = 0x6D657270  # "merp": the key of the advisory lock; `claim.py` has another

_KINDS = base.DatabaseWrapper.data_types


def _by_code_point(kind: str) -> Callable[[dict[str, Any]], str]:
    column = _KINDS[kind]

    def with_collation(field: dict[str, Any]) -> str:
        return f'{column(field) if callable(column) else column % field} COLLATE "C"'

    return with_collation


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to PostgreSQL."""

    # Callables as Django's own for CharField, of which the stubs do not know.
    data_types = cast(
        "dict[str, str]",
        _KINDS
        | {
            kind: _by_code_point(kind)
            for kind in ("CharField", "FileField", "FilePathField", "SlugField", "TextField")
        },
    )

    def set_autocommit(self, autocommit: bool, *args: Any, **kwargs: Any) -> None:
        """Begin a transaction by waiting for the turn to write, at most LOCK_SECONDS."""
        super().set_autocommit(autocommit, *args, **kwargs)
        if not autocommit:
            try:
                with self.wrap_database_errors, self.connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [WRITERS_TURN])
            except BaseException:
                self.close()  # or the next transaction would take this one for its own
                raise
