"""`/api/merpati/v1/alerts`: what the account's people should know of, what lasts first."""

from __future__ import annotations

from django.http import HttpResponse

from merpati.api.call import Call, no_content, results
from merpati.events.alerts import alerts_of, document, mark_seen


def list_all(call: Call) -> HttpResponse:
    """Return the account's alerts, at most 200."""
    return results([document(alert) for alert in alerts_of([call.account_id])])


def seen(call: Call, number: str) -> HttpResponse:
    """Say that an alert was seen; it lasts until it is over."""
    mark_seen(call.account_id, int(number), by=call.actor, now=call.now)
    return no_content()
