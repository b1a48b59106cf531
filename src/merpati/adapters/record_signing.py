"""Signed JSON documents: Ed25519 over a canonical form, so that anybody can check one for itself.

A document is `{"record": …, "signature": {"algorithm", "public_key", "value"}}`. Signed are the
bytes of CONTEXT followed by the record as JSON with sorted keys, without white space, in UTF-8.
Records hold texts, whole numbers, true, false, null, lists and objects alone, so that there is one
such form; printing a document prettily does not break its signature. Source: RFC 8032.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

CONTEXT = b"merpati record 1\n"
ALGORITHM = "Ed25519"
LABEL = "record signing"  # `SecretBox.derive` makes the seed of it


class BadSignature(Exception):
    """A document was changed, or somebody else signed it; `message` says which."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class RecordSigner:
    """Signs records, and tells its own from others. seed: 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def __repr__(self) -> str:
        return f"RecordSigner({self.public_key})"

    def sign(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return a record with its signature."""
        value = base64.b64encode(self._key.sign(signed_bytes(record))).decode()
        signature = {"algorithm": ALGORITHM, "public_key": self.public_key, "value": value}
        return {"record": record, "signature": signature}

    def verify(self, document: Any) -> dict[str, Any]:
        """Return the record of a document that we signed and nobody changed. Raises BadSignature.

        A document that says another public key is another instance's, however well it is signed.
        """
        record, public_key, value = _parts(document)
        if public_key != self.public_key:
            raise BadSignature("this record was not signed by this instance")
        try:
            key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key))
            key.verify(base64.b64decode(value, validate=True), signed_bytes(record))
        except (InvalidSignature, binascii.Error, ValueError):
            raise BadSignature("this record was changed after it was signed") from None
        return record


def signed_bytes(record: dict[str, Any]) -> bytes:
    """Return what is signed of a record."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return CONTEXT + text.encode()


def _parts(document: Any) -> tuple[dict[str, Any], str, str]:
    match document:
        case {
            "record": dict() as record,
            "signature": {
                "algorithm": str() as algorithm,
                "public_key": str() as public_key,
                "value": str() as value,
            },
        } if algorithm == ALGORITHM:
            return record, public_key, value
    raise BadSignature("this is no signed record: it has no record with an Ed25519 signature")
