"""The sending domains: whether DNS publishes the key that we sign with."""

from __future__ import annotations

import asyncio

from merpati.sending.dns_records import check_dkim, dkim_name
from merpati.sending.domains import TxtLookup
from merpati.sending.errors import DnsLookupFailed
from merpati.sending.live_dns import txt_lookup
from merpati.sending.models import DkimKey, KeyState
from merpati.upkeep.doctor.finding import Finding, fail, ok, warn
from merpati.upkeep.doctor.scene import Scene

DKIM = "domains.dkim"
AT_ONCE = 16


async def check(scene: Scene) -> list[Finding]:
    """Look up the record of each DKIM key."""
    lookup = txt_lookup(scene.settings.dns.servers)
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(key: DkimKey) -> Finding:
        async with turn:
            return await asyncio.to_thread(_dkim, key, lookup)

    return list(await asyncio.gather(*(one(key) for key in scene.dkim_keys)))


def _dkim(key: DkimKey, lookup: TxtLookup) -> Finding:
    name = key.domain.domain
    try:
        found = lookup(dkim_name(key))
    except DnsLookupFailed as error:
        return warn(DKIM, name, error.message, "see that dns.servers answer, then look again")
    answer = check_dkim(key, found)
    if answer.is_valid:
        return ok(DKIM, name, f"{answer.name} publishes our key")
    # A key that waits while another signs keeps no mail from flowing.
    is_needed = key.state == KeyState.ACTIVE or key.domain.verified_at is None
    return (fail if is_needed else warn)(
        DKIM, name, answer.reason, f"publish: {answer.name}. IN TXT {answer.wanted}"
    )
