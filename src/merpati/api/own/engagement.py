"""`/api/merpati/v1/engagement`: when the account's recipients last opened or clicked."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
from django.http import HttpResponse

from merpati.adapters import codec
from merpati.api.call import Call, json_response, no_content, results
from merpati.api.errors import ApiError, ErrorItem
from merpati.sending.engagement import (
    checked_engagement,
    find_engagement,
    forget_engagement,
    record_engagements,
    summary,
    tier_of,
)
from merpati.sending.errors import InvalidValue

MOST_PER_CALL = 10_000
ERRORS_SHOWN = 20


class _Engaged(msgspec.Struct):
    recipient: str
    engaged_on: date


class _Body(msgspec.Struct):
    recipients: list[_Engaged] = []


def record(call: Call) -> HttpResponse:
    """Keep when up to 10,000 recipients engaged, all or none; of two days the later stays."""
    wanted = call.json(_Body).recipients
    if not 0 < len(wanted) <= MOST_PER_CALL:
        raise ApiError(
            422,
            (
                ErrorItem(
                    f"recipients must have 1 to {MOST_PER_CALL:,} entries, not {len(wanted):,}",
                    pointer="/recipients",
                ),
            ),
        )
    today = call.now.date()
    engaged, errors = [], []
    for number, one in enumerate(wanted):
        try:
            engaged.append(checked_engagement(one.recipient, one.engaged_on, today))
        except InvalidValue as error:
            pointer = f"/recipients/{number}/{error.field}"
            errors.append(ErrorItem(error.message, pointer=pointer))
    if errors:
        raise ApiError(422, tuple(errors[:ERRORS_SHOWN]))
    return results({"recorded": record_engagements(call.account_id, engaged)})


def count(call: Call) -> HttpResponse:
    """Return how many recipients engaged how lately."""
    return results(summary(call.account_id, call.now.date()))


def show(call: Call, recipient: str) -> HttpResponse:
    """Return when a recipient last engaged."""
    found = find_engagement(call.account_id, recipient)
    shown: dict[str, Any] = {
        "recipient": found.recipient,
        "engaged_on": found.engaged_on.isoformat(),
        "tier": tier_of(found.engaged_on, call.now.date()),
    }
    return json_response(codec.json_bytes({"results": shown}))


def forget(call: Call, recipient: str) -> HttpResponse:
    """Forget when a recipient engaged."""
    forget_engagement(call.account_id, recipient, by=call.actor, now=call.now)
    return no_content()
