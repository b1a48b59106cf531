"""The bucket of a recipient: which side of a split an address is on, for good.

Each account deals its recipients anew. CRC-32 spreads addresses as evenly as a cryptographic hash
does, at a quarter of the cost; nobody gains anything by choosing their bucket.
"""

from __future__ import annotations

from zlib import crc32

BUCKETS = 10_000


def bucket_of(account_id: int, address: str) -> int:
    """Return 0 to 9,999: the same for ever for an address of an account, in whatever case."""
    return crc32(f"{account_id}:{address.lower()}".encode(errors="surrogatepass")) % BUCKETS
