"""SQL that does much in one step.

Python's sqlite3 gives the interpreter lock away at each step of a statement, and beside threads
that compose mail each time may cost a switch interval (5 ms). 10,000 rows took 19 s with
executemany beside one busy thread; in statements of up to 1,024 rows they take 0.1 s. So rows go
in by many at once, and come out as one JSON text.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

INSERT_ROWS = 1024  # in one statement, at most

Parameters = Sequence[Any] | Mapping[str, Any]


def ask(db: sqlite3.Connection, sql: str, parameters: Parameters = ()) -> list[Any]:
    """Return the JSON array that a query of one row and column gives. Raises sqlite3.Error."""
    (text,) = db.execute(sql, parameters).fetchone()
    found: list[Any] = json.loads(text)
    return found


def insert(
    db: sqlite3.Connection,
    into: str,
    rows: Sequence[tuple[object, ...]],
    verb: str = "INSERT",
) -> None:
    """Insert rows into `table (columns)`, in powers of two so that few statements are prepared."""
    start, size = 0, INSERT_ROWS
    while start < len(rows):
        while start + size > len(rows):
            size //= 2
        some = rows[start : start + size]
        marks = "(" + ",".join("?" * len(some[0])) + ")"
        db.execute(
            f"{verb} INTO {into} VALUES " + ",".join([marks] * size),
            [value for row in some for value in row],
        )
        start += size


def delete(db: sqlite3.Connection, where: str, ids: Sequence[int]) -> None:
    """Delete the rows of `table WHERE column` that have one of these ids."""
    if ids:
        db.execute(
            f"DELETE FROM {where} IN (SELECT value FROM json_each(?))",  # noqa: S608
            (json.dumps(ids),),
        )
