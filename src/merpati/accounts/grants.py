"""Grants: what an API key may do, in SparkPost's words; those for support cases are our own.

Source: sparkpost-api 1.3.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from merpati.accounts.errors import InvalidKeyRequest

ALL_GRANTS = (
    "metrics/view",
    "message_events/view",
    "webhooks/view",
    "webhooks/modify",
    "templates/view",
    "templates/modify",
    "templates/preview",
    "transmissions/view",
    "transmissions/modify",
    "recipient_lists/manage",
    "tracking_domains/view",
    "tracking_domains/manage",
    "sending_domains/manage",
    "inbound_domains/manage",
    "suppression_lists/manage",
    "relay_webhooks/view",
    "relay_webhooks/modify",
    "smtp/inject",
    "subaccount/view",
    "subaccount/manage",
    "ip_pools/view",
    "ip_pools/manage",
    "api_keys/manage",
    "users/manage",
    "account/manage",
    "usage/view",
    "grants/view",
    "ab-testing/manage",
    "alerts/manage",
    "recipient-validation/manage",
    "events/ingest",
    "signals/manage",
    "support_cases/view",
    "support_cases/manage",
)


def checked_grants(names: Iterable[str]) -> list[str]:
    """Return the grants in the list's order, each once.

    Raises InvalidKeyRequest when there is none, or one that does not exist.
    """
    wanted = set(names)
    for name in sorted(wanted - set(ALL_GRANTS)):
        close = difflib.get_close_matches(name, ALL_GRANTS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise InvalidKeyRequest(f"There is no grant {name!r}{hint}", "grants")
    if not wanted:
        raise InvalidKeyRequest("A key needs one grant at least.", "grants")
    return [name for name in ALL_GRANTS if name in wanted]
