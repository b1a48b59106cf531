"""Secrets at rest and keys for signing, through the cryptography library.

`SecretBox` seals with Fernet (AES-128-CBC and HMAC-SHA256): authenticated, so that a changed or
foreign text is refused, never opened to something else. Rotation: put a new key first in the file
and restart; what the older ones sealed still opens.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from merpati.adapters.secret_key import derive, ensure_secret_key

RSA_BITS = 2048  # RFC 8301: 1024 at least, 2048 wanted; longer ones do not fit common resolvers


class SecretBoxError(ValueError):
    """A sealed text was not sealed with any key of this instance, or was changed since."""


class SecretBox:
    """Seals and opens texts with the instance's secret key; makes the file at first use."""

    def __init__(self, key_file: Path) -> None:
        """Read the key file. Raises OSError or ValueError when it cannot be used."""
        self._keys = ensure_secret_key(key_file)
        self._fernet = MultiFernet([Fernet(key) for key in self._keys])

    def __repr__(self) -> str:
        return "SecretBox(…)"

    def encrypt(self, data: bytes) -> bytes:
        """Return the data sealed with the newest key, ASCII."""
        return self._fernet.encrypt(data)

    def decrypt(self, sealed: bytes) -> bytes:
        """Return what was sealed. Raises SecretBoxError."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise SecretBoxError("not sealed by this instance's secret key") from None

    def derive(self, label: str) -> bytes:
        """Return 32 bytes for one purpose, such as signing return paths; always the same ones."""
        return derive(self._keys, label)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A fresh key pair for DKIM."""

    private_pem: bytes  # PKCS#8, not encrypted: seal it before it is stored
    public: str  # as in a DKIM record's p=

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public[:24]}…)"


def make_rsa_key() -> KeyPair:
    """Return a new RSA-2048 pair; takes some 0.1 s of CPU. Source: RFC 6376 3.6.1 (p=)."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=RSA_BITS)
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return KeyPair(_pem(key), base64.b64encode(public).decode())


def make_ed25519_key() -> KeyPair:
    """Return a new Ed25519 pair. Source: RFC 8463 4.2 (p= is the bare key, 32 bytes)."""
    key = ed25519.Ed25519PrivateKey.generate()
    return KeyPair(_pem(key), base64.b64encode(key.public_key().public_bytes_raw()).decode())


def _pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
