"""DNS: whether names can be looked up at all; without that no mail finds its way."""

from __future__ import annotations

from merpati.adapters.dns import DnsError, LookupFailed
from merpati.upkeep.doctor.finding import Finding, fail, ok
from merpati.upkeep.doctor.scene import Scene

ANSWERS = "dns.answers"
ROOT = ""  # every server knows the root, and that it takes no mail


async def check(scene: Scene) -> list[Finding]:
    """Ask for something that any server can answer."""
    servers = ", ".join(scene.settings.dns.servers)
    try:
        await scene.resolver().mail_exchanges(ROOT)
    except LookupFailed as error:
        remedy = "name servers that answer (dns.servers), and let port 53 out, UDP and TCP"
        return [fail(ANSWERS, servers, f"no name can be looked up: {error}", remedy)]
    except DnsError:
        pass  # an answer all the same
    return [ok(ANSWERS, servers, "the DNS servers answer")]
