"""Reading an account's suppression list: filtered, by pages of either style, counted.

Entries come in the order of their last change; the position of the last one seen leads on to the
next page, whatever was added or removed meanwhile.

Source: sparkpost-api 9.
"""

from __future__ import annotations

import string
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Lower

from merpati.sending.models import Suppression, SuppressionSource, SuppressionType

# What the databases' LOWER does to our columns: of PostgreSQL's collation "C" and of SQLite alike.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries; None or empty: any.

    updated_from, updated_to: both included. description: a part of the text, ASCII letters in any
    case, as both databases compare it; exact_description: the whole. list_id: "" for entries that
    belong to no list.
    """

    recipient: str | None = None
    types: Collection[SuppressionType] = ()
    sources: Collection[SuppressionSource] = ()
    updated_from: datetime | None = None
    updated_to: datetime | None = None
    domain: str | None = None
    description: str | None = None
    exact_description: str | None = None
    list_id: str | None = None

    def conditions(self) -> Q:
        """Return the filter of a query."""
        part = self.description
        parts = {
            "recipient": None if self.recipient is None else self.recipient.strip().lower(),
            "type__in": self.types or None,
            "source__in": self.sources or None,
            "updated_at__gte": self.updated_from,
            "updated_at__lte": self.updated_to,
            "recipient__endswith": None if self.domain is None else f"@{self.domain.lower()}",
            "lower_description__contains": None if part is None else part.translate(_LOWER),
            "description": self.exact_description,
            "list_id": self.list_id,
        }
        return Q(**{name: value for name, value in parts.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Position:
    """The entry after which a page begins."""

    updated_at: datetime
    entry_id: int


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of the found: `after` a position, or from an offset on."""

    limit: int
    offset: int = 0
    after: Position | None = None
    is_ascending: bool = False


def find(account_id: int, wanted: Wanted, part: Slice) -> list[Suppression]:
    """Return entries of the account, the latest change first unless ascending."""
    entries = _of(account_id, wanted)
    if part.after is not None:
        entries = entries.filter(_behind(part.after, part.is_ascending))
    order = ("updated_at", "id") if part.is_ascending else ("-updated_at", "-id")
    return list(entries.order_by(*order)[part.offset : part.offset + part.limit])


def count(account_id: int, wanted: Wanted) -> int:
    """Return how many entries there are."""
    return _of(account_id, wanted).count()


def count_by_source(account_id: int) -> dict[SuppressionSource, int]:
    """Return how many entries each source made, those that made none included."""
    found = (
        Suppression.objects.filter(account_id=account_id)
        .values("source")
        .annotate(entries=Count("id"))
        .values_list("source", "entries")
    )
    return dict.fromkeys(SuppressionSource, 0) | {
        SuppressionSource(source): entries for source, entries in found
    }


def _of(account_id: int, wanted: Wanted) -> QuerySet[Suppression]:
    entries = Suppression.objects.alias(lower_description=Lower("description"))
    return entries.filter(wanted.conditions(), account_id=account_id)


def _behind(position: Position, is_ascending: bool) -> Q:
    # The first condition alone lets the index find the place; the second settles equal times.
    way = "gt" if is_ascending else "lt"
    near = Q(**{f"updated_at__{way}e": position.updated_at})
    later = Q(**{f"updated_at__{way}": position.updated_at})
    same = Q(**{"updated_at": position.updated_at, f"id__{way}": position.entry_id})
    return near & (later | same)
