"""RSA signatures through `cryptography`: the one place that knows how keys are loaded.

Signing releases the interpreter lock, so it may go on in several threads at once.
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_PADDING = padding.PKCS1v15()
_HASH = hashes.SHA256()


class BadPrivateKey(ValueError):
    """The bytes are no usable RSA private key; says why, never shows the key."""


class RsaSigner:
    """A loaded RSA private key. Safe to use from several threads."""

    __slots__ = ("_key",)

    def __init__(self, pem: bytes) -> None:
        """Load an unencrypted PEM key; raises BadPrivateKey."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise BadPrivateKey("not an unencrypted PEM private key") from None
        if not isinstance(key, rsa.RSAPrivateKey):
            raise BadPrivateKey(f"expected an RSA key, got {type(key).__name__}")
        self._key = key

    def sign(self, data: bytes) -> bytes:
        """Return the PKCS #1 v1.5 signature over the SHA-256 of `data`."""
        return self._key.sign(data, _PADDING, _HASH)
