"""Finding migrations: by account, so that no edge forgets whose they are."""

from __future__ import annotations

from django.db.models import QuerySet

from merpati.plans.migration.errors import CellNotFound, MigrationNotFound
from merpati.plans.models import Migration, MigrationCell
from merpati.providers.directory import directory


def migrations_of(account_id: int | None) -> QuerySet[Migration]:
    """Return an account's migrations, None: everybody's; the newest first."""
    found = Migration.objects.select_related("account", "egress").order_by("-pk")
    return found if account_id is None else found.filter(account_id=account_id)


def find_migration(number: int, account_id: int | None = None) -> Migration:
    """Return a migration. account_id: whose it must be, None for the operator.

    Raises MigrationNotFound.
    """
    found = migrations_of(account_id).filter(pk=number).first()
    if found is None:
        raise MigrationNotFound(number)
    return found


def find_by_calendar_key(key: str) -> Migration:
    """Return the migration whose calendar a key opens. Raises MigrationNotFound."""
    found = Migration.objects.select_related("account", "egress").filter(calendar_key=key).first()
    if found is None:
        raise MigrationNotFound("with that calendar")
    return found


def find_cells(migration: Migration, provider: str, pool: str = "") -> list[MigrationCell]:
    """Return the cells of a provider, "" for all; pool: "" for every pool. Raises CellNotFound."""
    cells = list(migration.cells.order_by("pool", "-messages_per_day", "provider"))
    hint = directory().hint(provider)
    names = {provider.lower(), hint.id if hint else provider.lower()}
    found = [
        cell
        for cell in cells
        if (not provider or cell.provider in names) and (not pool or cell.pool == pool.lower())
    ]
    if not found:
        raise CellNotFound(provider, sorted({cell.provider for cell in cells}))
    return found
