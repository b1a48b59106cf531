"""The sending domains: whether DNS publishes the key that we sign with."""

from __future__ import annotations

import asyncio

from merpati.sending.dns_records import check_dkim, dkim_name
from merpati.sending.domains import TxtLookup
from merpati.sending.errors import DnsLookupFailed
from merpati.sending.live_dns import txt_lookup
from merpati.sending.models import SendingDomain
from merpati.upkeep.doctor.finding import Finding, fail, ok, warn
from merpati.upkeep.doctor.scene import Scene

DKIM = "domains.dkim"
AT_ONCE = 16


async def check(scene: Scene) -> list[Finding]:
    """Look up each domain's DKIM record."""
    lookup = txt_lookup(scene.settings.dns.servers)
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(domain: SendingDomain) -> Finding:
        async with turn:
            return await asyncio.to_thread(_dkim, domain, lookup)

    return list(await asyncio.gather(*(one(domain) for domain in scene.domains)))


def _dkim(domain: SendingDomain, lookup: TxtLookup) -> Finding:
    name = domain.domain
    try:
        found = lookup(dkim_name(domain))
    except DnsLookupFailed as error:
        return warn(DKIM, name, error.message, "see that dns.servers answer, then look again")
    answer = check_dkim(domain, found)
    if answer.is_valid:
        return ok(DKIM, name, f"{answer.name} publishes our key")
    return fail(DKIM, name, answer.reason, f"publish: {answer.name}. IN TXT {answer.wanted}")
