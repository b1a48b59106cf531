"""A call on cases that may come again: by its `Idempotency-Key`, and what it asks of which path."""

from __future__ import annotations

import hashlib

from merpati.api.call import Call
from merpati.desk.repeats import Request


def request_of(call: Call, body: bytes) -> Request | None:
    """Return a call as a request to be done once; None: it carries no key. Raises ApiError 400."""
    key = call.idempotency_key()
    if key is None:
        return None
    asked = call.request.path.rstrip("/").encode() + b"\n" + body
    return Request(call.account_id, key, hashlib.blake2b(asked, digest_size=16).hexdigest())
