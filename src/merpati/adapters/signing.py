"""Signatures through `cryptography`: the one place that knows how private keys are loaded.

Signing releases the interpreter lock, so it may go on in several threads at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_PADDING = padding.PKCS1v15()
_HASH = hashes.SHA256()


class BadPrivateKey(ValueError):
    """The bytes are no usable private key of the wanted kind; says why, never shows the key."""


class RsaSigner:
    """A loaded RSA private key. Safe to use from several threads."""

    __slots__ = ("_key",)

    def __init__(self, pem: bytes) -> None:
        """Load an unencrypted PEM key; raises BadPrivateKey."""
        key = _load(pem)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise BadPrivateKey(f"expected an RSA key, got {type(key).__name__}")
        self._key = key

    def sign(self, data: bytes) -> bytes:
        """Return the PKCS #1 v1.5 signature over the SHA-256 of `data`."""
        return self._key.sign(data, _PADDING, _HASH)


class Ed25519Signer:
    """A loaded Ed25519 private key. Safe to use from several threads."""

    __slots__ = ("_key",)

    def __init__(self, pem: bytes) -> None:
        """Load an unencrypted PEM key; raises BadPrivateKey."""
        key = _load(pem)
        if not isinstance(key, Ed25519PrivateKey):
            raise BadPrivateKey(f"expected an Ed25519 key, got {type(key).__name__}")
        self._key = key

    def sign(self, data: bytes) -> bytes:
        """Return the PureEdDSA signature over the SHA-256 of `data` (RFC 8463 3)."""
        return self._key.sign(hashlib.sha256(data).digest())


Signer = RsaSigner | Ed25519Signer

SIGNERS: dict[str, Callable[[bytes], Signer]] = {"rsa": RsaSigner, "ed25519": Ed25519Signer}
"""By the names that DKIM's k= has for them."""


def _load(pem: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadPrivateKey("not an unencrypted PEM private key") from None
