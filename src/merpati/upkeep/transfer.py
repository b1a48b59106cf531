"""Control data copied from one database to another, and checked there row by row.

All goes into one transaction of the target: cut off, it leaves the target's tables as they were,
and the transfer can begin again. The source is read at one moment and never written. After the
copy each table of the target is read back and must have the source's rows: their number, and a
checksum over all values. Only then is it committed.

Values go as Django has them, so what each database makes of a JSON value, a moment or bytes is its
own affair. Text that PostgreSQL cannot keep (a NUL character, more than a column's length; SQLite
takes both) is found before anything is written, and named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, Error, connections, models, transaction

from merpati.control.django_database import django_database
from merpati.control.opening import is_made
from merpati.control.place import ControlPlace
from merpati.control.sequences import given_out, go_on_after
from merpati.upkeep.errors import TargetInUse, TransferFailed

SOURCE = "source"
TARGET = DEFAULT_DB_ALIAS  # so that migrations with data of their own fill the right one
ROWS = 1_000  # a step, between two reports of progress
MOST_FAULTS = 20  # named of those found

Told = Callable[[str, int, int], None]  # step, rows done, rows in all


@dataclass(frozen=True, slots=True)
class TableCopy:
    """A table as it was copied. checksum: over all rows, whatever their order; hexadecimal."""

    table: str
    rows: int
    checksum: str


def transfer(
    source: ControlPlace, target: ControlPlace, told: Told, *, holding_writers: bool
) -> list[TableCopy]:
    """Copy all control data, check the copy and commit it; return what each table came to.

    holding_writers: let nobody write to the source meanwhile, as for a move; else it is read at
    one moment while others go on. Raises TargetInUse, TransferFailed, ControlError.
    """
    with _databases(source, target, holding_writers):
        try:
            if is_made(target) and _holds_data(TARGET):
                raise TargetInUse(f"{target} holds Merpati's data already; name an empty database")
            call_command("migrate", database=TARGET, verbosity=0, interactive=False)
            with transaction.atomic(using=SOURCE):
                faults = list(_faults(told))
                if faults:
                    raise TransferFailed("nothing was copied. " + " ".join(faults))
                with transaction.atomic(using=TARGET):
                    return _copy(told)
        except Error as error:
            raise TransferFailed(f"nothing was copied: {str(error).strip()}") from error


def examine(source: ControlPlace, target: ControlPlace, told: Told) -> list[TableCopy]:
    """Return what a transfer would copy, and change nothing. Raises as `transfer`."""
    with _databases(source, target, holding_writers=False):
        try:
            if is_made(target) and _holds_data(TARGET):
                raise TargetInUse(f"{target} holds Merpati's data already; name an empty database")
            with transaction.atomic(using=SOURCE):
                faults = list(_faults(told))
                if faults:
                    raise TransferFailed("it could not be copied. " + " ".join(faults))
                return [_summed(model, SOURCE, _quiet) for model in _models()]
        except Error as error:
            raise TransferFailed(f"it could not be read: {str(error).strip()}") from error


@contextmanager
def _databases(source: ControlPlace, target: ControlPlace, holding_writers: bool) -> Iterator[None]:
    """Have Django use the target as its own database, and the source beside it."""
    before = dict(connections.settings)
    connections.close_all()
    reading = django_database(source, is_long=True, for_one_moment=not holding_writers)
    new = connections.configure_settings(
        {TARGET: django_database(target, is_long=True), SOURCE: reading}
    )
    _use(new)
    try:
        yield
    finally:
        for alias in new:
            connections[alias].close()
        _use(before)


def _use(databases: dict[str, Any]) -> None:
    for made in connections.all(initialized_only=True):  # this thread's, by the former settings
        del connections[made.alias]
    connections.settings.clear()
    connections.settings.update(databases)


def _models() -> list[type[models.Model]]:
    found = apps.get_models(include_auto_created=True)
    return [model for model in found if model._meta.managed and not model._meta.proxy]


def _holds_data(alias: str) -> bool:
    """Return whether anything was ever done here: each action leaves an entry in the trail."""
    from merpati.accounts.models import AuditEntry  # noqa: PLC0415 - after Django is set up

    there = connections[alias].introspection.table_names()
    return AuditEntry._meta.db_table in there and AuditEntry.objects.using(alias).exists()


def _fields(model: type[models.Model]) -> list[Any]:
    return list(model._meta.local_concrete_fields)


def _rows(model: type[models.Model], alias: str) -> Iterator[tuple[Any, ...]]:
    names = [field.attname for field in _fields(model)]
    rows = model._base_manager.using(alias).order_by(model._meta.pk.attname).values_list(*names)
    yield from rows.iterator(chunk_size=ROWS)


def _count(model: type[models.Model], alias: str) -> int:
    return model._base_manager.using(alias).count()


def _faults(told: Told) -> Iterator[str]:
    """Yield what PostgreSQL could not keep, the first few."""
    found = 0
    for model in _models():
        texts = [(at, field) for at, field in enumerate(_fields(model)) if _is_text(field)]
        if not texts:
            continue
        total = _count(model, SOURCE)
        for number, row in enumerate(_rows(model, SOURCE), 1):
            for at, field in texts:
                why = _unfit(field, row[at])
                if why and found < MOST_FAULTS:
                    found += 1
                    key = row[[f.attname for f in _fields(model)].index(model._meta.pk.attname)]
                    yield f"{model._meta.db_table} {key}, {field.column}: {why}."
            if number % ROWS == 0 or number == total:
                told(f"looks at {model._meta.db_table}", number, total)


def _is_text(field: Any) -> bool:
    return isinstance(field, models.CharField | models.TextField | models.JSONField)


def _unfit(field: Any, value: Any) -> str:
    if isinstance(field, models.JSONField):
        return "it holds a NUL character" if "\\u0000" in json.dumps(value) else ""
    if not isinstance(value, str):
        return ""
    if "\x00" in value:
        return "it holds a NUL character"
    if isinstance(field, models.CharField) and len(value) > (field.max_length or len(value)):
        return f"it has {len(value)} characters, and the column takes {field.max_length}"
    return ""


def _copy(told: Told) -> list[TableCopy]:
    target = connections[TARGET]
    tables = _models()
    with target.cursor() as cursor:
        for model in tables:  # what migrations put there by themselves
            cursor.execute(f"DELETE FROM {target.ops.quote_name(model._meta.db_table)}")  # noqa: S608
    copied = [_copy_table(model, told) for model in tables]
    for model, made in zip(tables, copied, strict=True):
        there = _summed(model, TARGET, told)
        if there != made:
            raise TransferFailed(
                f"nothing was copied: {made.table} reads back as {there.rows:,} rows with checksum "
                f"{there.checksum}, not {made.rows:,} with {made.checksum}; report this"
            )
    _index_words(told)
    return copied


def _index_words(told: Told) -> None:
    """Make the desk's index of words anew: it is the one table that each database has its own way.

    The target's index is empty: migrations made it, with nothing there to be found.
    """
    from merpati.desk.case_entries import remember_all  # noqa: PLC0415 - after Django is set up
    from merpati.desk.models import CaseLink, CaseUpdate  # noqa: PLC0415

    total = CaseUpdate.objects.count()
    for done in remember_all(CaseUpdate.objects.all(), CaseLink.objects):
        told("makes the index of words", done, total)


def _copy_table(model: type[models.Model], told: Told) -> TableCopy:
    target = connections[TARGET]
    fields, table = _fields(model), model._meta.db_table
    columns = ", ".join(target.ops.quote_name(field.column) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    insert = f"INSERT INTO {target.ops.quote_name(table)} ({columns}) VALUES ({places})"  # noqa: S608
    total, done, digest = _count(model, SOURCE), 0, 0
    with target.cursor() as cursor:
        for rows in _by_steps(_rows(model, SOURCE)):
            prepared = [
                [
                    field.get_db_prep_save(value, target)
                    for field, value in zip(fields, row, strict=True)
                ]
                for row in rows
            ]
            cursor.executemany(insert, prepared)
            digest += sum(map(_digest, rows))
            done += len(rows)
            told(f"copies {table}", done, total)
    key = model._meta.pk
    if isinstance(key, models.AutoField | models.BigAutoField) and key.column:
        newest = model._base_manager.using(SOURCE).aggregate(newest=models.Max(key.attname))[
            "newest"
        ]
        number = max(given_out(connections[SOURCE], table, key.column), newest or 0)
        go_on_after(target, table, key.column, number)
    return TableCopy(table, done, _hexadecimal(digest))


def _summed(model: type[models.Model], alias: str, told: Told) -> TableCopy:
    total, done, digest = _count(model, alias), 0, 0
    for rows in _by_steps(_rows(model, alias)):
        digest += sum(map(_digest, rows))
        done += len(rows)
        told(f"checks {model._meta.db_table}", done, total)
    return TableCopy(model._meta.db_table, done, _hexadecimal(digest))


def _by_steps(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    step: list[tuple[Any, ...]] = []
    for row in rows:
        step.append(row)
        if len(step) == ROWS:
            yield step
            step = []
    if step:
        yield step


def _digest(row: Sequence[Any]) -> int:
    text = json.dumps([_plain(value) for value in row], sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest())


def _hexadecimal(digest: int) -> str:
    return f"{digest % (1 << 256):064x}"


def _plain(value: Any) -> Any:
    """Return a value as both databases give it back: 1.0 in JSON may come as 1."""
    plain: Any = value
    match value:
        case datetime():
            plain = value.astimezone(UTC).isoformat()
        case bytes() | memoryview():
            plain = bytes(value).hex()
        case float() if value.is_integer():
            plain = int(value)
        case dict():
            plain = {name: _plain(one) for name, one in value.items()}
        case list() | tuple():
            plain = [_plain(one) for one in value]
        case None | bool() | int() | float() | str():
            pass
        case _:
            plain = str(value)  # dates, times, addresses, numbers of fixed places
    return plain


def _quiet(_step: str, _done: int, _total: int) -> None:
    pass
