"""Which migration is meant, and how one is shown after it changed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from merpati.cli.output import show

if TYPE_CHECKING:
    from merpati.plans.models import Migration


def find(number: int) -> Migration:
    """Return a migration by its number. Raises what `finding` does when there is none."""
    from merpati.plans.migration.finding import find_migration  # noqa: PLC0415 - needs Django

    return find_migration(number)


def show_done(done: Migration, what: str, as_json: bool) -> None:
    """Print a migration as it is now; what: that became of it, in words."""
    from merpati.plans.migration.documents import migration_document  # noqa: PLC0415

    show(migration_document(done), f"{done.name} {what}.", as_json)


def today() -> date:
    """Return the day by UTC, by which plans count."""
    return datetime.now(UTC).date()
