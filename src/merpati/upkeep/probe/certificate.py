"""The certificate that a mail host shows: who it is for, who made it, how long it is good."""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509

from merpati.upkeep.doctor.finding import Level
from merpati.upkeep.probe.step import Step

SOON = timedelta(days=14)
MOST_NAMES = 5


def describe(der: bytes, unverified: str, now: datetime) -> Step:
    """Return the step about a certificate; unverified: why it proves nothing, "" when it does."""
    try:
        shown = x509.load_der_x509_certificate(der)
        text = _words(shown)
        left = shown.not_valid_after_utc - now
    except ValueError as error:
        return Step(Level.WARN, "certificate", f"it cannot be read: {error}")
    if unverified:
        return Step(
            Level.WARN,
            "certificate",
            f"{text}; not verified: {unverified}",
            "delivery encrypts all the same, but cannot know that this is the right host",
            "it is theirs to mend; many mail hosts are so",
        )
    if left < SOON:
        return Step(Level.WARN, "certificate", text, f"it ends in {left.days} days")
    return Step(Level.OK, "certificate", f"{text}; verified")


def _words(shown: x509.Certificate) -> str:
    names = _names(shown)
    listed = ", ".join(names[:MOST_NAMES]) or "none"
    if len(names) > MOST_NAMES:
        listed += f" and {len(names) - MOST_NAMES} more"
    subject, issuer = (name.rfc4514_string() for name in (shown.subject, shown.issuer))
    ends = f"{shown.not_valid_after_utc:%Y-%m-%d}"
    return f"subject {subject or 'none'}; names {listed}; issuer {issuer}; good until {ends}"


def _names(shown: x509.Certificate) -> list[str]:
    try:
        held = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = map(str, held.get_values_for_type(x509.IPAddress))
    return [*held.get_values_for_type(x509.DNSName), *addresses]
