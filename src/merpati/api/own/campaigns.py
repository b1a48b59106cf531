"""`/api/merpati/v1/campaigns/{id}/outlook`: when a campaign's last message leaves, and why then."""

from __future__ import annotations

from django.http import HttpResponse

from merpati.api.call import Call, results
from merpati.api.services import services
from merpati.events.campaign_outlook import document


def outlook(call: Call, campaign_id: str) -> HttpResponse:
    """Return an estimate from what waits; a campaign of which nothing waits has no parts."""
    shared = services()
    account = shared.directory.account(call.account_id)
    now = shared.clock.now()
    return results(document(shared.outlooks.of(call.account_id, account.shard, campaign_id, now)))
