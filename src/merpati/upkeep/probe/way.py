"""The first half of a probe: the way to a domain's mail hosts, looked up as delivery does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import assert_never

from merpati.adapters.dns import DnsError, LookupFailed, txt_records
from merpati.delivery.destinations import (
    Destination,
    Destinations,
    Undeliverable,
    Unreachable,
    Whereto,
)
from merpati.providers.directory import directory
from merpati.upkeep.doctor.finding import Level
from merpati.upkeep.probe.step import Step

STS_SECONDS = 5.0
_SEE_DNS = "see that dns.servers answer and what the domain's records say"


async def look_up(destinations: Destinations, domain: str) -> tuple[Whereto, list[Step]]:
    """Return where a domain's mail goes, and the steps that tell of it."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    whereto = await destinations.find(domain)
    seconds = loop.time() - began
    match whereto:
        case Undeliverable(bounce):
            meaning = f"mail to the domain bounces, class {bounce.bounce_class.value}"
            text = str(bounce.reply)
            return whereto, [Step(Level.FAIL, "mx", text, meaning, _SEE_DNS, seconds)]
        case Unreachable(reason):
            meaning = "mail to the domain waits"
            return whereto, [Step(Level.FAIL, "mx", reason, meaning, _SEE_DNS, seconds)]
        case Destination():
            return whereto, [_hosts(whereto, seconds), _provider(whereto)]
        case _:
            assert_never(whereto)


def _hosts(destination: Destination, seconds: float) -> Step:
    listed = ", ".join(f"{host.name} ({' '.join(host.addresses)})" for host in destination.hosts)
    if destination.is_route:
        text = f"a static route leads to {listed}, port {destination.port}"
        return Step(Level.OK, "route", text, "MX records do not count", seconds=seconds)
    return Step(Level.OK, "mx", f"{listed}, port {destination.port}", seconds=seconds)


def _provider(destination: Destination) -> Step:
    known = directory().get(destination.provider)
    if destination.is_route:
        return Step(Level.OK, "provider", f"{destination.provider}: the route's own pace")
    name = f"{known.name} ({known.id})" if known else f"nobody known: {destination.provider}"
    pace = (
        f"{destination.connections} connections of {destination.messages_per_connection} messages"
    )
    if destination.messages_per_minute:
        pace += f", {destination.messages_per_minute:,} a minute"
    return Step(Level.OK, "provider", name, f"delivery begins with {pace}, per sending IP")


async def transport_policy(domain: str, servers: Sequence[str]) -> Step:
    """Return what the domain asks of TLS, for information: MTA-STS (RFC 8461 3.1)."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        name = f"_mta-sts.{domain}"
        found = await asyncio.to_thread(txt_records, name, servers, STS_SECONDS)
    except LookupFailed as error:
        text = f"whether the domain has a policy is not known: {error}"
    except DnsError:
        text = "the domain has no policy"
    else:
        policy = next((text for text in found if text.startswith("v=STSv1")), "")
        text = f"the domain has a policy: {policy}" if policy else "the domain has no policy"
    return Step(Level.OK, "mta-sts", text, seconds=loop.time() - began)
