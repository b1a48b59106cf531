"""The return path: an envelope sender that names its message and cannot be forged.

The local part is `b`, then account, shard and message id, then a keyed hash over them, in hex: a
relay may change its case and nothing is lost. Whoever does not hold the key cannot make one, so a
bounce to a made-up address changes nothing.

Source: design 3, "Return path"; RFC 5321 4.5.3.1.1 (a local part has at most 64 octets).
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass
from hashlib import blake2s

_PREFIX = "b"
_IDS = struct.Struct(">IBQ")
_MAC_BYTES = 10  # 80 bits: guessing needs 10^24 bounces
_PURPOSE = b"returnp1"  # keeps these hashes apart from other uses of the same key
_LOCAL_CHARS = len(_PREFIX) + 2 * (_IDS.size + _MAC_BYTES)


@dataclass(frozen=True, slots=True)
class ReturnPath:
    """The message a return path belongs to."""

    account_id: int
    shard: int
    message_id: int


def make(key: bytes, account_id: int, shard: int, message_id: int, domain: str) -> str:
    """Return the signed envelope sender of one message; key: 1 to 32 bytes.

    Raises ValueError for numbers out of range (account 32 bits, shard 8, message 64).
    """
    try:
        ids = _IDS.pack(account_id, shard, message_id)
    except struct.error as error:
        raise ValueError(f"return path of {account_id}, {shard}, {message_id}: {error}") from None
    return f"{_PREFIX}{ids.hex()}{_mac(key, ids).hex()}@{domain}"


def read(key: bytes, address: str) -> ReturnPath | None:
    """Return what a bounce address says, or None when it is not ours or was changed."""
    local = address.strip().removeprefix("<").rpartition("@")[0].lower()
    if len(local) != _LOCAL_CHARS or not local.startswith(_PREFIX):
        return None
    try:
        packed = bytes.fromhex(local[len(_PREFIX) :])
    except ValueError:
        return None
    ids, mac = packed[: _IDS.size], packed[_IDS.size :]
    if not hmac.compare_digest(mac, _mac(key, ids)):
        return None
    return ReturnPath(*_IDS.unpack(ids))


def _mac(key: bytes, ids: bytes) -> bytes:
    return blake2s(ids, key=key, digest_size=_MAC_BYTES, person=_PURPOSE).digest()
