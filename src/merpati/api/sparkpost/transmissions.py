"""`/api/v1/transmissions`: mail comes in, is shown as far as it is, and is cancelled.

Source: sparkpost-api 3 and 3.5.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from django.http import HttpResponse, QueryDict

from merpati.adapters import codec
from merpati.api.call import Call, json_response, no_content, results
from merpati.api.errors import refusal
from merpati.api.services import services
from merpati.api.sparkpost.transmission_body import read_transmission, rejection
from merpati.events.transmissions import DELETABLE_MS, State, Transmission
from merpati.sending.campaigns import cancel_campaign, cancel_transmission
from merpati.sending.injection import inject
from merpati.sending.transmission import TransmissionAccepted

INLINE = "inline"  # what stands for the template of inline content


def create(call: Call) -> HttpResponse:
    """Accept a transmission: 200 once it is durable, 4xx when nothing of it was accepted.

    A repeated `Idempotency-Key` gets the first answer again, or 409 for another body.
    """
    shared = services()
    body = call.body()
    key = call.idempotency_key()
    fingerprint = hashlib.blake2b(body, digest_size=16).digest() if key is not None else b""
    limit = _errors_wanted(call)
    reply = inject(
        read_transmission(body, key, fingerprint),
        shared.directory.account(call.account_id),
        shared.spool,
        transmission_id=shared.transmission_ids.next(),
        now=call.now,
        reply=lambda accepted: _reply(accepted, limit),
        schedule_ahead=shared.schedule_ahead,
    )
    return json_response(reply)


def cancel(call: Call) -> HttpResponse:
    """Cancel what a campaign has not sent yet: 204 once it is sure, done in the background."""
    campaign_id = _query(call).get("campaign_id")
    if not campaign_id:
        raise refusal(
            400, "required parameter missing", "campaign_id is a required parameter", "1401"
        )
    shared = services()
    account = shared.directory.account(call.account_id)
    cancel_campaign(account, campaign_id, shared.spool, by=call.actor, now=call.now)
    return no_content()


def list_unfinished(call: Call) -> HttpResponse:
    """Return the transmissions that are scheduled or under way, the newest first."""
    shared = services()
    query = _query(call)
    if query.get("template_id", INLINE) != INLINE:
        return results([])  # there are no stored templates yet
    account = shared.directory.account(call.account_id)
    found = shared.transmissions.unfinished(
        call.account_id, account.shard, query.get("campaign_id") or None
    )
    return results([_summary(each, shared.clock.now()) for each in found])


def show(call: Call, transmission_id: str) -> HttpResponse:
    """Return one transmission and how far it is."""
    found, now = _find(call, transmission_id), services().clock.now()
    injection = found.injection
    transmission = {
        **_summary(found, now),
        "rcpt_list_chunk_size": found.recipients,
        "rcpt_list_total_chunks": 1,
        "num_rcpts": found.recipients,
        "num_generated": found.recipients - found.waiting - found.failed - found.cancelled,
        "num_failed_gen": found.failed,
        "generation_start_time": _iso(found.starts_at),
        "metadata": injection.metadata,
        "options": {
            "start_time": _iso(found.starts_at),
            "transactional": injection.transactional,
            "ip_pool": injection.ip_pool,
        },
    }
    return results({"transmission": transmission})


def delete(call: Call, transmission_id: str) -> HttpResponse:
    """Cancel a scheduled transmission: 204 once it is sure, done in the background."""
    shared = services()
    found, now = _find(call, transmission_id), shared.clock.now()
    state = found.state(now)
    if state is not State.SUBMITTED:
        text = f"Unable to delete a transmission that is in progress (state={state})"
        raise refusal(409, text, "", "2006", "conflict")
    if found.is_too_close(now):
        seconds = DELETABLE_MS // 1000
        text = f"Deletion time window ({seconds} seconds) doesn't permit transmission deletion"
        raise refusal(409, text, "", "2003", "conflict")
    account = shared.directory.account(call.account_id)
    cancel_transmission(account, transmission_id, shared.spool, by=call.actor, now=call.now)
    return no_content()


def _find(call: Call, transmission_id: str) -> Transmission:
    shared = services()
    account = shared.directory.account(call.account_id)
    found = shared.transmissions.find(call.account_id, account.shard, transmission_id)
    if found is None:
        text = f"Resource not found:transmission id {transmission_id[:100]}"
        raise refusal(404, text, "", "1600", "not-found")
    return found


def _summary(found: Transmission, now: int) -> dict[str, Any]:
    return {
        "id": found.injection.transmission_id,
        "state": found.state(now),
        "campaign_id": found.injection.campaign_id or "",
        "description": found.injection.description,
        "content": {"template_id": INLINE},
    }


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at // 1000, UTC).isoformat(timespec="seconds")


def _query(call: Call) -> QueryDict:
    return QueryDict(call.header("QUERY_STRING"))


def _reply(accepted: TransmissionAccepted, limit: int | None) -> bytes:
    """Return the body of the answer. limit: how many recipient errors to show, None for all."""
    told: dict[str, Any] = {
        "id": accepted.transmission_id,
        "total_accepted_recipients": accepted.accepted,
        "total_rejected_recipients": len(accepted.rejected),
    }
    if (local := accepted.local_time) is not None:
        told["local_time"] = {
            "first_at": local.first_at.isoformat(timespec="seconds"),
            "last_at": local.last_at.isoformat(timespec="seconds"),
            "time_zone": local.time_zone,
            "recipients_without": [
                {"time_zone": zone or None, "recipients": count}
                for zone, count in local.unplaced.items()
            ],
        }
        if local.without_holidays:
            told["local_time"]["recipients_without_holidays"] = [
                {"time_zone": zone, "recipients": count}
                for zone, count in local.without_holidays.items()
            ]
    if not accepted.rejected:
        return codec.json_bytes({"results": told})
    if limit != 0:
        told["rcpt_to_errors"] = [rejection(each) for each in accepted.rejected[:limit]]
    errors = [{"message": "transmission created, but with validation errors", "code": "2000"}]
    return codec.json_bytes({"errors": errors, "results": told})


def _errors_wanted(call: Call) -> int | None:
    text = _query(call).get("num_rcpt_errors", "") if call.header("QUERY_STRING") else ""
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise refusal(400, "invalid params", "num_rcpt_errors must be a number, 0 or more", "1200")
    return int(text[:9])
