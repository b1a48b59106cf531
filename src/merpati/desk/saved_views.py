"""Searches kept under a name: a person's own, and those that everybody of the desk has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import F, Q

from merpati.accounts import audit
from merpati.desk.case_errors import InvalidCase
from merpati.desk.checks import checked_line
from merpati.desk.models import Person, SavedView
from merpati.desk.view_filters import checked_filters

MOST_VIEWS = 50


def save_view(
    name: str,
    filters: Mapping[str, str],
    *,
    by: Person,
    is_shared: bool = False,
    via: str,
    now: datetime,
) -> SavedView:
    """Keep a search under a name; one of the same name is replaced. Raises InvalidCase."""
    name = checked_line(name, "name", InvalidCase)
    owner = None if is_shared else by
    with transaction.atomic():
        if SavedView.objects.filter(owner=owner).exclude(name=name).count() >= MOST_VIEWS:
            raise InvalidCase(
                f"There are {MOST_VIEWS} saved views, which is the most: remove one first.", "name"
            )
        view, _ = SavedView.objects.update_or_create(
            owner=owner,
            name=name,
            defaults={
                "filters": checked_filters(filters),
                "created_by": by.email,
                "created_at": now,
            },
        )
        _record("save_view", view, via, now)
    return view


def remove_view(view_id: int, *, by: Person, via: str, now: datetime) -> None:
    """Forget a search that is one's own or everybody's. Raises InvalidCase."""
    with transaction.atomic():
        view = SavedView.objects.filter(_had_by(by), pk=view_id).first()
        if view is None:
            raise InvalidCase("There is no such saved view any more.", "view")
        _record("remove_view", view, via, now)
        view.delete()


def views_of(person: Person | None) -> list[SavedView]:
    """Return the searches that somebody has: their own first, then everybody's. One query."""
    order = (F("owner").asc(nulls_last=True), "name")
    return list(SavedView.objects.filter(_had_by(person)).order_by(*order))


def _had_by(person: Person | None) -> Q:
    return Q(owner=None) | Q(owner=person) if person else Q(owner=None)


def _record(action: str, view: SavedView, via: str, now: datetime) -> None:
    whose = "shared" if view.owner_id is None else "own"
    audit.record(action, view.name, by=via, now=now, account_id=None, whose=whose)
