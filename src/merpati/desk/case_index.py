"""The index of words over all cases: the one module that speaks a database's own language.

SQLite's FTS5 or PostgreSQL's tsvector, one row for each entry of a history: its words, together
with those of its case, so that a word of the subject and one of an answer are found together. Rows
are written in the transaction of their entry and never changed. A row's id holds the case's number
and then the entry's, so the newest cases come first without sorting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

from merpati.desk.case_words import Asked

_CREATE = {
    "sqlite": (
        "CREATE VIRTUAL TABLE desk_case_words USING fts5(words, content='', detail=none, "
        "tokenize=\"unicode61 remove_diacritics 0 tokenchars '.@:'\")",
    ),
    "postgresql": (
        "CREATE TABLE desk_case_words (rowid bigint PRIMARY KEY, words tsvector NOT NULL)",
        "CREATE INDEX desk_case_words_gin ON desk_case_words USING gin (words)",
    ),
}
_ADD = {
    "sqlite": "INSERT INTO desk_case_words (rowid, words) VALUES (%s, %s)",
    "postgresql": "INSERT INTO desk_case_words (rowid, words) VALUES (%s, array_to_tsvector(%s))",
}
# SQLite reads rows in the inner order and stops when it has enough: the newest, without sorting.
_FIND = {
    "sqlite": """
        SELECT DISTINCT number FROM (
            SELECT rowid >> 32 AS number FROM desk_case_words
            WHERE desk_case_words MATCH %s AND rowid < %s ORDER BY rowid DESC
        ) WHERE number IN ({cases}) LIMIT %s""",
    "postgresql": """
        SELECT DISTINCT rowid >> 32 AS number FROM desk_case_words
        WHERE words @@ %s::tsquery AND rowid < %s AND rowid >> 32 IN ({cases})
        ORDER BY number DESC LIMIT %s""",
}
_ENTRY_BITS = 32  # of a row's id; above them stands the case's number


def create(database: BaseDatabaseWrapper) -> None:
    """Make the index, empty. For migrations."""
    with database.cursor() as cursor:
        for statement in _CREATE[database.vendor]:
            cursor.execute(statement)


def drop(database: BaseDatabaseWrapper) -> None:
    """Remove the index. For migrations."""
    with database.cursor() as cursor:
        cursor.execute("DROP TABLE desk_case_words")


def add(
    case_number: int, entry: int, words: Sequence[str], database: BaseDatabaseWrapper = connection
) -> None:
    """Remember the words of an entry of a case's history; see `case_words.py`."""
    row = (case_number << _ENTRY_BITS) | (entry & ((1 << _ENTRY_BITS) - 1))
    given = " ".join(words) if database.vendor == "sqlite" else list(words)
    with database.cursor() as cursor:
        cursor.execute(_ADD[database.vendor], [row, given])


def find(
    asked: Sequence[Asked], cases: QuerySet[Any], *, before: int | None, limit: int
) -> list[int]:
    """Return the numbers of the newest of some cases that hold all words, the highest first.

    before: only numbers below it. One query.
    """
    chosen, given = cases.order_by().values("number").query.sql_with_params()
    below = (before if before is not None else (1 << 31) - 1) << _ENTRY_BITS
    with connection.cursor() as cursor:
        cursor.execute(
            _FIND[connection.vendor].format(cases=chosen),
            [_query(asked), below, *given, limit],
        )
        return [number for (number,) in cursor.fetchall()]


def _query(asked: Sequence[Asked]) -> str:
    """Return what is asked, in the database's language; words hold no quotes and no backslashes."""
    if connection.vendor == "sqlite":
        return " AND ".join(f'"{a.word}"{"*" if a.is_beginning else ""}' for a in asked)
    return " & ".join(f"'{a.word}'{':*' if a.is_beginning else ''}" for a in asked)
