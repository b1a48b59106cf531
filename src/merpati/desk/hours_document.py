"""Business hours as plain data, for documents of the API and the commands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from merpati.desk.business_hours import Account
from merpati.desk.service_hours import Day

_MINUTE = timedelta(minutes=1)


def account_document(account: Account) -> list[dict[str, Any]]:
    """Return how a result was counted: each day, how it is kept, and what was counted of it."""
    return [
        day_document(count.day)
        | {
            "counted": [
                {"from": span.starts_at, "to": span.ends_at, "minutes": minutes(span.length)}
                for span in count.spans
            ]
        }
        for count in account
    ]


def day_document(day: Day) -> dict[str, Any]:
    """Return how a local day is kept."""
    return {
        "day": day.on,
        "kind": day.kind.value,
        "hours": [str(window) for window in day.windows],
        "note": day.note,
    }


def minutes(time: timedelta) -> int | float:
    """Return a length in minutes, whole where it is."""
    whole, rest = divmod(time, _MINUTE)
    return whole if not rest else time / _MINUTE
