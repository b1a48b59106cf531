"""The index of words over all cases: the one module that speaks a database's own language.

SQLite's FTS5 or PostgreSQL's tsvector, one row for each entry of a history: its words, together
with those of its case, so that a word of the subject and one of an answer are found together. Rows
are written in the transaction of their entry and never changed.

A search wants the newest cases and stops when it has enough. On SQLite a row's id holds the case's
number and then the entry's, so FTS5 hands rows out in that order. PostgreSQL decides by its
statistics of words: a rare word is looked up, for a frequent one the newest cases are read through.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
        "CREATE TABLE desk_case_words (case_number bigint NOT NULL, entry bigint NOT NULL, "
        "words tsvector NOT NULL, PRIMARY KEY (case_number, entry))",
        "CREATE INDEX desk_case_words_gin ON desk_case_words USING gin (words)",
    ),
}
_ADD = {
    "sqlite": "INSERT INTO desk_case_words (rowid, words) VALUES (%s, %s)",
    "postgresql": "INSERT INTO desk_case_words (case_number, entry, words) "
    "VALUES (%s, %s, array_to_tsvector(%s))",
}
_FIND = {
    "sqlite": """
        SELECT DISTINCT number FROM (
            SELECT rowid >> 32 AS number FROM desk_case_words
            WHERE desk_case_words MATCH %(asked)s AND rowid < (%(below)s << 32)
            ORDER BY rowid DESC
        ) WHERE number IN ({cases}) LIMIT %(limit)s""",
    "postgresql": """
        SELECT number FROM ({cases}) AS chosen
        WHERE number < %(below)s AND EXISTS (
            SELECT FROM desk_case_words
            WHERE case_number = chosen.number AND words @@ %(asked)s::tsquery
        )
        ORDER BY number DESC LIMIT %(limit)s""",
}
_ENTRY_BITS = 32  # of a row's id on SQLite; above them stands the case's number
_NEWEST = (1 << 31) - 1  # above every case's number


def create(database: BaseDatabaseWrapper) -> None:
    """Make the index, empty. For migrations."""
    with database.cursor() as cursor:
        for statement in _CREATE[database.vendor]:
            cursor.execute(statement)


def drop(database: BaseDatabaseWrapper) -> None:
    """Remove the index. For migrations."""
    with database.cursor() as cursor:
        cursor.execute("DROP TABLE desk_case_words")


def add(case_number: int, entry: int, words: Sequence[str]) -> None:
    """Remember the words of an entry of a case's history; see `case_words.py`."""
    add_all([(case_number, entry, words)])


def add_all(entries: Iterable[tuple[int, int, Sequence[str]]]) -> None:
    """Remember the words of many entries: case, entry, words of each."""
    rows = [_row(*entry) for entry in entries]
    with connection.cursor() as cursor:
        cursor.executemany(_ADD[connection.vendor], rows)


def _row(case_number: int, entry: int, words: Sequence[str]) -> tuple[Any, ...]:
    if connection.vendor == "postgresql":
        return case_number, entry, list(words)
    return (case_number << _ENTRY_BITS) | (entry & ((1 << _ENTRY_BITS) - 1)), " ".join(words)


def find(
    asked: Sequence[Asked], cases: QuerySet[Any], *, before: int | None, limit: int
) -> list[int]:
    """Return the numbers of the newest of some cases that hold all words, the highest first.

    before: only numbers below it. One query.
    """
    chosen, given = cases.order_by().values("number").query.sql_with_params()
    names = {f"case_{place}": value for place, value in enumerate(given)}
    question = _FIND[connection.vendor].format(
        cases=chosen % tuple(f"%({name})s" for name in names)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            question,
            {
                "asked": _query(asked),
                "below": _NEWEST if before is None else before,
                "limit": limit,
                **names,
            },
        )
        return [number for (number,) in cursor.fetchall()]


def _query(asked: Sequence[Asked]) -> str:
    """Return what is asked, in the database's language; words hold no quotes and no backslashes."""
    if connection.vendor == "sqlite":
        return " AND ".join(f'"{a.word}"{"*" if a.is_beginning else ""}' for a in asked)
    return " & ".join(f"'{a.word}'{':*' if a.is_beginning else ''}" for a in asked)
