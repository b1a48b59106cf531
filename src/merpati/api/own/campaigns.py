"""`/api/merpati/v1/campaigns`: when the last messages of campaigns leave, and why then."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import translation

from merpati.api.call import Call, results
from merpati.api.services import services
from merpati.events.campaign_outlook import document, summary

LANGUAGE = "en"  # as all texts of the API


def list_all(call: Call) -> HttpResponse:
    """Return all campaigns of which mail waits, without their parts, the last done first."""
    shared = services()
    shard = shared.directory.account(call.account_id).shard
    found = shared.outlooks.all(call.account_id, shard, shared.clock.now())
    with translation.override(LANGUAGE):
        return results([summary(one) for one in found])


def outlook(call: Call, campaign_id: str) -> HttpResponse:
    """Return an estimate from what waits; a campaign of which nothing waits has no parts."""
    shared = services()
    shard = shared.directory.account(call.account_id).shard
    found = shared.outlooks.of(call.account_id, shard, campaign_id, shared.clock.now())
    with translation.override(LANGUAGE):
        return results(document(found))
