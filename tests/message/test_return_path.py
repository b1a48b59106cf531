"""The return path: read back whole, and worth nothing when forged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.message import return_path
from merpati.message.return_path import ReturnPath

KEY = b"k" * 32


@given(st.integers(0, 2**32 - 1), st.integers(0, 255), st.integers(0, 2**64 - 1))
def test_return_path_is_read_back(account: int, shard: int, message: int) -> None:
    address = return_path.make(KEY, account, shard, message, "bounce.example")
    local, _, domain = address.partition("@")
    assert (len(local) <= 64, domain) == (True, "bounce.example")
    expected = ReturnPath(account, shard, message)
    assert return_path.read(KEY, address) == expected
    assert return_path.read(KEY, f"<{address.upper()}>") == expected


@given(st.integers(0, 46), st.sampled_from("0123456789abcdef"))
def test_changed_return_path_says_nothing(position: int, char: str) -> None:
    address = return_path.make(KEY, 1, 2, 3, "bounce.example")
    changed = address[:position] + char + address[position + 1 :]
    if changed != address:
        assert return_path.read(KEY, changed) is None


@pytest.mark.parametrize("address", ["", "@", "b@x", "postmaster@bounce.example", "b" + "é" * 46])
def test_other_addresses_say_nothing(address: str) -> None:
    assert return_path.read(KEY, address) is None


def test_another_key_says_nothing() -> None:
    assert return_path.read(b"x" * 32, return_path.make(KEY, 1, 2, 3, "b.example")) is None


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="return path of 4294967296"):
        return_path.make(KEY, 2**32, 0, 0, "b.example")
