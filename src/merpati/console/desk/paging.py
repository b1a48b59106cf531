"""Where the next page of a list of cases goes on: plain text in its address."""

from __future__ import annotations

from datetime import datetime

from merpati.desk.case_search import Place
from merpati.desk.models import Case

PER_PAGE = 25  # rendering a row costs more than finding it
_STANDING = "standing"


def place_text(case: Case) -> str:
    """Return a case's place in the queue as an address carries it."""
    return f"{case.due_at.isoformat() if case.due_at else _STANDING}~{case.pk}"


def place_in(text: str) -> Place | None:
    """Return the place that an address carries; None: from the beginning, also where it is none."""
    due, _, number = text.partition("~")
    if not _is_number(number):
        return None
    try:
        return Place(None if due == _STANDING else datetime.fromisoformat(due), int(number))
    except ValueError:
        return None


def number_in(text: str) -> int | None:
    """Return the number that an address carries; None: from the beginning."""
    return int(text) if _is_number(text) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
