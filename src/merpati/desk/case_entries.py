"""Writing an entry of a case's history, together with the words by which it is found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from django.db.models import Manager, QuerySet

from merpati.desk import case_index
from merpati.desk.case_words import VISIBLE, account_word, number_word, words_of
from merpati.desk.models import Case, CaseUpdate, Notice
from merpati.desk.parties import Party

ROWS = 500  # of a history, at once


def write_entry(
    case: Case,
    kind: str,
    *,
    by: Party,
    now: datetime,
    text: str = "",
    is_internal: bool = False,
    detail: dict[str, Any] | None = None,
    also: Iterable[str] = (),
) -> CaseUpdate:
    """Add an entry to a case's history.

    also: what the case is found by as well from now on, such as the values of its links.
    """
    entry = CaseUpdate.objects.create(
        case=case,
        kind=kind,
        at=now,
        side=by.side,
        author_name=by.name,
        author_email=by.email,
        via=by.via,
        text=text,
        is_internal=is_internal,
        detail=detail or {},
    )
    remember_words(case, entry, also)
    if not is_internal:
        Notice.objects.create(update=entry)  # `mail/notices.py` tells whom it concerns
    return entry


def remember_all(updates: QuerySet[Any], links: Manager[Any]) -> Iterator[int]:
    """Fill the index of words from what is kept, yielding now and then how many are done.

    updates, links: those of a history, and what their cases name; a migration has its own.
    """
    told = updates.filter(text__gt="").select_related("case__account", "case__opened_by")
    entries = told.order_by("pk").iterator(ROWS)
    done = 0
    while step := list(islice(entries, ROWS)):
        case_index.add_all(
            (one.case_id, one.pk, words_of_entry(one.case, one, _named(one, links))) for one in step
        )
        done += len(step)
        yield done


def _named(update: Any, links: Manager[Any]) -> Iterable[str]:
    if update.kind != CaseUpdate.OPENED:
        return ()
    return links.filter(case=update.case).values_list("value", flat=True)


def remember_words(case: Case, entry: CaseUpdate, also: Iterable[str] = ()) -> None:
    """Let a case be found by the words of an entry, its account and who opened it loaded."""
    case_index.add(case.pk, entry.pk, words_of_entry(case, entry, also))


def words_of_entry(case: Case, entry: CaseUpdate, also: Iterable[str] = ()) -> list[str]:
    """Return the words by which a case is found through an entry of its history."""
    texts = [
        case.subject,
        case.account.name,
        case.opened_by.name,
        case.opened_by.email,
        *(entry.author_name, entry.author_email, entry.text),
        *also,
    ]
    ours = [number_word(case.pk), account_word(case.account_id)]
    if not entry.is_internal:
        ours.append(VISIBLE)
    return [*ours, *words_of(texts)]
