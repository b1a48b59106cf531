"""API keys: how they look, what is kept of them, and who a key is.

A key is 160 random bits, so a plain SHA-256 keeps it: nobody can try that many, and each call to
the API needs the answer at once. The look-up is by the hash; what its time tells is of no use.

Source: sparkpost-api 1.3 (40 hexadecimal characters), 23 (`short_key`, the first four).
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from merpati.accounts.models import ApiKey

SHORT_KEY_LENGTH = 4


@dataclass(frozen=True, slots=True)
class KeyIdentity:
    """Whose a presented key is and what it may do."""

    key_id: int
    short_key: str
    account_id: int
    grants: frozenset[str]
    is_suspended: bool  # the account is; what that forbids is the edge's to say

    @property
    def actor(self) -> str:
        """How the audit trail names a change made with this key."""
        return f"api:key {self.short_key}"


def new_key() -> str:
    """Return a new key, in SparkPost's shape."""
    return secrets.token_hex(20)


def hash_of(key: str) -> str:
    """Return what is kept of a key: its SHA-256, hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()


def authenticate(key: str) -> KeyIdentity | None:
    """Return whose key this is; None when it is unknown or revoked. One query."""
    # Surrogates (a header that is not UTF-8) cannot be hashed, and no key has them.
    if not key.isascii():
        return None
    found = (
        ApiKey.objects.filter(key_hash=hash_of(key), revoked_at=None)
        .select_related("account")
        .first()
    )
    return None if found is None else identity_of(found)


def identity_of(key: ApiKey) -> KeyIdentity:
    """Return who a key is; its account must be at hand."""
    is_suspended = key.account.suspended_at is not None
    return KeyIdentity(key.pk, key.short_key, key.account_id, frozenset(key.grants), is_suspended)
