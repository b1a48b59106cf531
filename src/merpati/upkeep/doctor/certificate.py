"""The certificate that https and submission show: whether clients will take it, and how long."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509

from merpati.runtime.tls import certificate_in_use
from merpati.upkeep.doctor.finding import Finding, fail, ok, warn
from merpati.upkeep.doctor.scene import Scene

LIFE, NAMES = "certificate.life", "certificate.names"
SOON = timedelta(days=21)


async def check(scene: Scene) -> list[Finding]:
    """Read the certificate in use, where a port needs one."""
    listen, running = scene.settings.listen, scene.running
    needed = (
        bool({"https", "submission_tls"} & running.addresses.keys())
        if running
        else bool(listen.https or listen.submission_tls)
    )
    used = certificate_in_use(scene.folder.tls, scene.settings.tls)
    subject = str(used.chain)
    own = scene.settings.tls.certificate
    renew = "renew it and restart" if own else "restart Merpati: it makes a new one"
    if not used.chain.exists() and not needed:
        return [ok(LIFE, "", "no port needs a certificate")]
    try:
        certificate = x509.load_pem_x509_certificate(used.chain.read_bytes())
        used.context()
    except (OSError, ValueError) as error:
        text = f"certificate and key cannot be used: {error}"
        return [fail(LIFE, subject, text, f"see that {used.chain} and {used.key} belong together")]
    left = certificate.not_valid_after_utc - scene.now
    if left <= timedelta(0):
        ended = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        return [fail(LIFE, subject, f"it ended on {ended}", renew)]
    text = f"it is good for {left.days} more days"
    findings = [warn(LIFE, subject, text, renew) if left < SOON else ok(LIFE, subject, text)]
    hostname = scene.settings.mail.hostname
    if not _holds(certificate, hostname):
        text = f"it does not hold the name {hostname}"
        remedy = "have it made for that name, or set mail.hostname to a name it holds"
        findings.append(warn(NAMES, subject, text, remedy))
    return findings


def _holds(certificate: x509.Certificate, hostname: str) -> bool:
    try:
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    wildcard = "*." + hostname.partition(".")[2]
    return bool({hostname, wildcard} & set(held.get_values_for_type(x509.DNSName)))
