"""Which side of a split a recipient is on: stable, even, and dealt anew for each account."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from merpati.sending.buckets import BUCKETS, bucket_of


def test_an_address_keeps_its_bucket_in_any_case() -> None:
    """The number is kept by shards: another one would move recipients back and forth."""
    assert bucket_of(7, "Ann@Example.com") == bucket_of(7, "ann@example.com") == 1239
    assert bucket_of(8, "ann@example.com") != 1239


def test_a_share_takes_that_part_of_the_recipients() -> None:
    addresses = [f"user{n:05}@example.com" for n in range(20_000)]
    tenths = Counter(bucket_of(1, address) * 10 // BUCKETS for address in addresses)
    assert all(abs(tenths[tenth] / 2_000 - 1) < 0.1 for tenth in range(10))


@given(st.integers(1), st.text())
def test_any_address_has_a_bucket(account_id: int, address: str) -> None:
    assert 0 <= bucket_of(account_id, address) < BUCKETS
