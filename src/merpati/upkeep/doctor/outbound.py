"""Port 25 out: whether mail servers can be reached from each sending IP.

Many hosting companies shut port 25 for new customers; mail then waits and says only "timed out".
"""

from __future__ import annotations

import asyncio

from merpati.adapters.dns import DnsError, Resolver
from merpati.sending.smtp_dialogue import DialogueFailed, dialogue
from merpati.settings import HostPort
from merpati.upkeep.doctor.finding import Finding, fail, ok, warn
from merpati.upkeep.doctor.scene import ANSWER_SECONDS, Ip, Scene

REACH = "outbound.port25"
_ASK = "ask the hosting company to open port 25 out for this address, and look at the firewall"


async def check(scene: Scene) -> list[Finding]:
    """Connect to the test target from each sending IP, and read its greeting."""
    if scene.smtp_target is None and not scene.smtp_domain:
        text = "whether mail can leave was not tested"
        return [warn(REACH, "", text, "name a target: --smtp-domain DOMAIN or --smtp-target HOST")]
    resolver = scene.resolver()
    return list(await asyncio.gather(*(_reach(scene, resolver, ip) for ip in scene.ips)))


async def _reach(scene: Scene, resolver: Resolver, ip: Ip) -> Finding:
    try:
        target = await _target(scene, resolver, ip)
    except DnsError as error:
        return warn(REACH, ip.address, f"the test target is not known: {error}", "name another one")
    try:
        async with dialogue(target, ANSWER_SECONDS, ip.address) as talk:
            greeting = await talk.answer()
    except DialogueFailed as error:
        text = f"connecting to {target} failed: {error.reason}"
        return fail(REACH, ip.address, text, _ASK)
    if greeting.code == 220:
        return ok(REACH, ip.address, f"{target} greets it")
    return warn(
        REACH,
        ip.address,
        f"{target} answered {greeting}",
        "port 25 is open, but this host does not welcome the address: its words say why",
    )


async def _target(scene: Scene, resolver: Resolver, ip: Ip) -> HostPort:
    """Return where to connect from an address. Raises DnsError."""
    if scene.smtp_target is not None:
        return scene.smtp_target
    hosts = (await resolver.mail_exchanges(scene.smtp_domain)).records
    kind = "AAAA" if ":" in ip.address else "A"
    host = hosts[0].host or scene.smtp_domain
    address = (await resolver.addresses(host, kind)).records[0]
    return HostPort(address, scene.settings.delivery.port)
