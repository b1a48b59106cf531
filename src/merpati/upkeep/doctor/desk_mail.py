"""The desk's mail: whether it can be sent, and whether customers' mail finds its way here."""

from __future__ import annotations

from datetime import timedelta

from merpati.adapters.dns import DnsError, LookupFailed
from merpati.upkeep.doctor.finding import Finding, fail, ok, warn
from merpati.upkeep.doctor.scene import Scene

SENDER, OUTBOX, MX = "desk.sender", "desk.outbox", "desk.mx"
STUCK = timedelta(minutes=10)


async def check(scene: Scene) -> list[Finding]:
    """Look at account, outbox and MX records of the support address."""
    desk, outbox = scene.settings.desk, scene.outbox
    if outbox is None or not (desk.account or desk.support_address or outbox.waiting):
        return [ok(SENDER, "", "no mail of its own: desk.support_address is not set")]
    if outbox.held:
        return [fail(SENDER, desk.support_address, outbox.held, "set it right, then look again")]
    findings = [ok(SENDER, desk.support_address, f"it is sent from account {desk.account}")]
    if outbox.oldest_at is not None and scene.now - outbox.oldest_at > STUCK:
        text = f"{outbox.waiting} mails wait, the oldest since {outbox.oldest_at:%Y-%m-%d %H:%M}"
        findings.append(warn(OUTBOX, "", text, "see that merpati run is up, and its log"))
    if outbox.failed:
        text = f"{outbox.failed} mails could not be sent in the last day"
        findings.append(warn(OUTBOX, "", text, "the log says why: own_mail_failed"))
    return [*findings, await _mx(scene, desk.support_address.rpartition("@")[2])]


async def _mx(scene: Scene, domain: str) -> Finding:
    here = scene.settings.mail.hostname
    publish = f"publish: {domain}. IN MX 10 {here}."
    try:
        hosts = [mx.host for mx in (await scene.resolver().mail_exchanges(domain)).records]
    except LookupFailed as error:
        text = f"its MX records could not be asked: {error}"
        return warn(MX, domain, text, "see that dns.servers answer, then look again")
    except DnsError:
        return warn(MX, domain, "it has no MX record: customers' mail does not come here", publish)
    if here in hosts:
        return ok(MX, domain, f"its mail comes to {here}")
    text = f"its MX records name {', '.join(hosts)}, not {here}"
    return warn(MX, domain, text, f"{publish} (or have mail to the support address relayed here)")
