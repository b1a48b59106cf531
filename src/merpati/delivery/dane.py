"""DANE for SMTP: which certificates a host's TLSA records accept. Pure; `adapters/dns.py` looks up.

Only usages 2 (an authority of the domain's own) and 3 (this very key or certificate) count in mail;
records of other kinds are unusable: then TLS is a must, and no certificate is looked at.

Source: RFC 7672 (SMTP), RFC 6698 section 2.1 and RFC 7671 (records).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from merpati.adapters.dns import Tlsa

AUTHORITY, END_ENTITY = 2, 3  # usages
_DIGESTS = {1: hashlib.sha256, 2: hashlib.sha512}


def usable(records: Iterable[Tlsa]) -> tuple[Tlsa, ...]:
    """Return the records whose meaning we know, and may follow in mail."""
    return tuple(record for record in records if _is_usable(record))


def _is_usable(record: Tlsa) -> bool:
    return (
        record.usage in (AUTHORITY, END_ENTITY)
        and record.selector in (0, 1)
        and record.matching in (0, 1, 2)
        and (record.matching not in _DIGESTS or len(record.data) == 32 * record.matching)
    )


def is_accepted(records: Sequence[Tlsa], chain: Sequence[bytes], host: str, now: datetime) -> bool:
    """Return whether any record accepts a host's certificates.

    chain: DER, the host's own first, as it was sent. Of usage 3 neither names nor dates count, RFC
    7671 section 5.1.
    """
    certificates = [x509.load_der_x509_certificate(der) for der in chain]
    if any(r.usage == END_ENTITY and _matches(r, certificates[0]) for r in records):
        return True
    authorities = [
        certificate
        for certificate in certificates[1:]
        if any(r.usage == AUTHORITY and _matches(r, certificate) for r in records)
    ]
    return bool(authorities) and _is_issued_by(authorities, certificates, host, now)


def _matches(record: Tlsa, certificate: x509.Certificate) -> bool:
    if record.selector == 0:
        wanted = certificate.public_bytes(Encoding.DER)
    else:
        key = certificate.public_key()
        wanted = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = _DIGESTS.get(record.matching)
    return record.data == (digest(wanted).digest() if digest else wanted)


def _is_issued_by(
    authorities: list[x509.Certificate],
    certificates: list[x509.Certificate],
    host: str,
    now: datetime,
) -> bool:
    verifier = (
        PolicyBuilder()
        .store(Store(authorities))
        .time(now)
        .build_server_verifier(x509.DNSName(host))
    )
    try:
        verifier.verify(certificates[0], certificates[1:])
    except (VerificationError, ValueError):
        return False
    return True
