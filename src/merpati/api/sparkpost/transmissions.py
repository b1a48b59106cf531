"""`/api/v1/transmissions`: mail comes in, and is cancelled. Source: sparkpost-api 3."""

from __future__ import annotations

import hashlib
from typing import Any

from django.http import HttpResponse, QueryDict

from merpati.adapters import codec
from merpati.api.call import Call, json_response, no_content
from merpati.api.errors import refusal
from merpati.api.services import services
from merpati.api.sparkpost.transmission_body import read_transmission, rejection
from merpati.sending.campaigns import cancel_campaign
from merpati.sending.injection import TransmissionAccepted, inject

IDEMPOTENCY_KEY_CHARACTERS = 255


def create(call: Call) -> HttpResponse:
    """Accept a transmission: 200 once it is durable, 4xx when nothing of it was accepted.

    A repeated `Idempotency-Key` gets the first answer again, or 409 for another body.
    """
    shared = services()
    body = call.body()
    key = _idempotency_key(call)
    fingerprint = hashlib.blake2b(body, digest_size=16).digest() if key is not None else b""
    limit = _errors_wanted(call)
    reply = inject(
        read_transmission(body, key, fingerprint),
        shared.directory.account(call.account_id),
        shared.spool,
        transmission_id=shared.transmission_ids.next(),
        now=call.now,
        reply=lambda accepted: _reply(accepted, limit),
    )
    return json_response(reply)


def cancel(call: Call) -> HttpResponse:
    """Cancel what a campaign has not sent yet: 204 once it is sure, done in the background."""
    query = call.header("QUERY_STRING")
    campaign_id = QueryDict(query).get("campaign_id", "") if query else ""
    if not campaign_id:
        raise refusal(
            400, "required parameter missing", "campaign_id is a required parameter", "1401"
        )
    shared = services()
    account = shared.directory.account(call.account_id)
    cancel_campaign(account, campaign_id, shared.spool, by=call.actor, now=call.now)
    return no_content()


def _reply(accepted: TransmissionAccepted, limit: int | None) -> bytes:
    """Return the body of the answer. limit: how many recipient errors to show, None for all."""
    results: dict[str, Any] = {
        "id": accepted.transmission_id,
        "total_accepted_recipients": accepted.accepted,
        "total_rejected_recipients": len(accepted.rejected),
    }
    if not accepted.rejected:
        return codec.json_bytes({"results": results})
    if limit != 0:
        results["rcpt_to_errors"] = [rejection(each) for each in accepted.rejected[:limit]]
    errors = [{"message": "transmission created, but with validation errors", "code": "2000"}]
    return codec.json_bytes({"errors": errors, "results": results})


def _idempotency_key(call: Call) -> str | None:
    key: str | None = call.request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    # Ignored instead, a key that cannot be used would protect from nothing, unnoticed. Bytes that
    # are no text arrive as "".
    if not 0 < len(key) <= IDEMPOTENCY_KEY_CHARACTERS or not key.isascii():
        raise refusal(
            400,
            "invalid params",
            f"Idempotency-Key must be 1 to {IDEMPOTENCY_KEY_CHARACTERS} ASCII characters",
            "1200",
        )
    return key


def _errors_wanted(call: Call) -> int | None:
    query = call.header("QUERY_STRING")
    text = QueryDict(query).get("num_rcpt_errors", "") if query else ""
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise refusal(400, "invalid params", "num_rcpt_errors must be a number, 0 or more", "1200")
    return int(text[:9])
