"""The numbers that a table has given out: none is given twice, though its row be gone.

A batch in the spool names a pool by its number; a pool made later must never have that of one that
was removed.
"""

from __future__ import annotations

from typing import Any


def given_out(database: Any, table: str, column: str) -> int:
    """Return the highest number given out for a column, 0 before the first.

    database: Django's connection.
    """
    with database.cursor() as cursor:
        if database.vendor == "sqlite":
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
            row = cursor.fetchone()
            return int(row[0]) if row else 0
        cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [table, column])
        (sequence,) = cursor.fetchone()
        if sequence is None:
            return 0
        cursor.execute(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")  # noqa: S608 - the server's own name
        return int(cursor.fetchone()[0])


def go_on_after(database: Any, table: str, column: str, number: int) -> None:
    """Have a column's next number be higher than this one."""
    if number < 1:
        return
    with database.cursor() as cursor:
        if database.vendor == "sqlite":
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
            cursor.execute(
                "INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, number]
            )
        else:
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, %s), %s)", [table, column, number]
            )
