"""The certificate that https and submission show: the operator's own, or one made here.

Without a setting Merpati is its own certificate authority: clients trust `DIR/tls/ca.pem` (for
Python's requests by `REQUESTS_CA_BUNDLE`). The server's certificate is made anew, at start, when
it nears its end or lacks a name; the authority stays, so clients keep their file.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from merpati.settings import TlsSettings

AUTHORITY_LIFE = timedelta(days=3650)
CERTIFICATE_LIFE = timedelta(days=397)  # what clients accept at most from public authorities
RENEWED_BEFORE = timedelta(days=60)
BACKDATED = timedelta(hours=1)  # a client's clock may be behind ours


class TlsError(Exception):
    """The certificate named by the settings cannot be used; `message` says why."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files of a server certificate with its chain, and of its private key."""

    chain: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Return a server context with this certificate, TLS 1.2 or newer."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.chain, self.key)
        context.num_tickets = 1  # one is enough to resume; each takes time of every handshake
        return context


def certificate_in_use(folder: Path, settings: TlsSettings) -> Certificate:
    """Return the operator's certificate when the settings name one, else ours in `folder`."""
    if settings.certificate:
        return Certificate(Path(settings.certificate), Path(settings.key or settings.certificate))
    return Certificate(folder / "cert.pem", folder / "key.pem")


def ensure_certificate(
    folder: Path, settings: TlsSettings, names: Iterable[str], now: datetime
) -> Certificate:
    """Return the certificate to use; make or renew our own where the settings name none.

    names: host names and addresses the certificate must hold, besides localhost. Raises TlsError
    when the operator's own cannot be loaded, and OSError when ours cannot be written.
    """
    certificate = certificate_in_use(folder, settings)
    if settings.certificate:
        try:
            certificate.context()
        except (OSError, ssl.SSLError) as error:
            raise TlsError(f"tls.certificate {certificate.chain}: {error}") from error
        return certificate
    wanted = _subject_names(names)
    authority, authority_key = _ensure_authority(folder, now)
    if not _still_good(certificate, authority, wanted, now):
        _issue(certificate, authority, authority_key, wanted, now)
    return certificate


def _subject_names(names: Iterable[str]) -> list[x509.GeneralName]:
    wanted = dict.fromkeys(["localhost", "127.0.0.1", "::1", *names])
    return [_general_name(name) for name in wanted if name]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _ensure_authority(
    folder: Path, now: datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_file, key_file = folder / "ca.pem", folder / "ca.key"
    if certificate_file.exists() and key_file.exists():
        authority = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        if isinstance(key, ec.EllipticCurvePrivateKey) and authority.not_valid_after_utc > now:
            return authority, key
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Merpati certificate authority")])
    own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    authority = (
        _builder(name, name, key.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(own_id, critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(key_file, _key_pem(key))
    _write(certificate_file, authority.public_bytes(serialization.Encoding.PEM))
    return authority, key


def _still_good(
    certificate: Certificate,
    authority: x509.Certificate,
    wanted: list[x509.GeneralName],
    now: datetime,
) -> bool:
    try:
        ours = x509.load_pem_x509_certificate(certificate.chain.read_bytes())
        ours.verify_directly_issued_by(authority)
        held = ours.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        certificate.context()  # the key is there and belongs to it
    except (OSError, ValueError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return set(wanted) <= set(held) and ours.not_valid_after_utc - now > RENEWED_BEFORE


def _issue(
    certificate: Certificate,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    names: list[x509.GeneralName],
    now: datetime,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Merpati")])
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    issued = (
        _builder(subject, authority.subject, key.public_key(), now, CERTIFICATE_LIFE)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer_id, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    _write(certificate.key, _key_pem(key))
    _write(certificate.chain, issued.public_bytes(pem) + authority.public_bytes(pem))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + life)
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, data: bytes) -> None:
    """Replace a file at once by one that only its owner reads."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
