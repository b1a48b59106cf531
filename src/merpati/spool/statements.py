"""SQL that does much in one step.

Python's sqlite3 gives the interpreter lock away at each step of a statement, and beside threads
that compose mail each time may cost a switch interval (5 ms). 10,000 rows took 19 s with
executemany beside one busy thread; in statements of up to 1,024 rows they take 0.1 s. So rows go
in by many at once, and come out as one JSON text.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from merpati.adapters.codec import json_reader, json_text

INSERT_ROWS = 1024  # in one statement, at most
EXACT_ROWS = 16  # so few go in by one statement; more by powers of two, for few are to be prepared

Parameters = Sequence[Any] | Mapping[str, Any]

_read = json_reader(list[Any]).decode


def ask(db: sqlite3.Connection, sql: str, parameters: Parameters = ()) -> list[Any]:
    """Return the JSON array that a query of one row and column gives. Raises sqlite3.Error."""
    (text,) = db.execute(sql, parameters).fetchone()
    return _read(text)


def insert(
    db: sqlite3.Connection,
    into: str,
    rows: Sequence[tuple[object, ...]],
    verb: str = "INSERT",
) -> None:
    """Insert rows into `table (columns)`."""
    start = 0
    while (left := len(rows) - start) > 0:
        size = left if left <= EXACT_ROWS else min(INSERT_ROWS, 1 << (left.bit_length() - 1))
        some = rows[start : start + size]
        db.execute(
            _insertion(verb, into, len(some[0]), size), [value for row in some for value in row]
        )
        start += size


@lru_cache(512)
def _insertion(verb: str, into: str, columns: int, rows: int) -> str:
    marks = "(" + ",".join("?" * columns) + ")"
    return f"{verb} INTO {into} VALUES " + ",".join([marks] * rows)


def delete(db: sqlite3.Connection, where: str, ids: Sequence[int]) -> None:
    """Delete the rows of `table WHERE column` that have one of these ids."""
    if ids:
        db.execute(
            f"DELETE FROM {where} IN (SELECT value FROM json_each(?))",  # noqa: S608
            (json_text(ids),),
        )
