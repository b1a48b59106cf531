"""Clocks that ended: what the entry that ended one says of it, and the row that reports sum.

What was promised, and how that was counted, stays true though calendars change later.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from merpati.adapters import codec
from merpati.desk.business_hours import Due
from merpati.desk.case_clocks import Progress
from merpati.desk.case_states import ANSWERS, Side
from merpati.desk.hours_document import account_document
from merpati.desk.models import EndedClock


def ended_clock(
    progress: Progress, due: Due, calendar_version: int, ended_at: datetime
) -> dict[str, Any]:
    """Return a clock that ended, as plain data for the entry that ended it."""
    return {
        "name": progress.clock.value,
        "started_at": progress.started_at.isoformat() if progress.started_at else None,
        "due_at": due.at.isoformat(),
        "ended_at": ended_at.isoformat(),
        "is_late": ended_at > due.at,
        "calendar_version": calendar_version,
        "account": json.loads(codec.json_bytes(account_document(due.account))),
    }


def remember(entries: Iterable[Any]) -> None:
    """Keep the clocks that entries ended for reports; most end none. Their cases are loaded."""
    EndedClock.objects.bulk_create(
        EndedClock(**_columns(one)) for one in entries if "clock" in one.detail
    )


def _columns(entry: Any) -> dict[str, Any]:
    clock = entry.detail["clock"]
    return {
        "update_id": entry.pk,
        "case_id": entry.case_id,
        "account_id": entry.case.account_id,
        "name": clock["name"],
        "is_answer": entry.side == Side.DESK and entry.kind in ANSWERS,
        "is_late": clock["is_late"],
        "due_at": datetime.fromisoformat(clock["due_at"]),
        "ended_at": entry.at,
    }
