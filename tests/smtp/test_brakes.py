"""Brakes on wrong passwords."""

from __future__ import annotations

from merpati.smtp.brakes import FAILURES_TO_CUT, FORGOTTEN_SECONDS, LONGEST_DELAY_SECONDS, Brakes


class Hand:
    """A clock moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_twenty_wrong_passwords_are_slowed_then_cut_then_forgotten() -> None:
    """S11."""
    hand = Hand()
    brakes = Brakes(hand)
    delays = []
    for number in range(FAILURES_TO_CUT):
        assert not brakes.is_cut("192.0.2.1")
        delays.append(brakes.failed("192.0.2.1", f"{number} is the key"))
    assert delays == sorted(delays)
    assert delays[0] < 1
    assert delays[-1] == LONGEST_DELAY_SECONDS
    assert brakes.is_cut("192.0.2.1")
    assert not brakes.is_cut("192.0.2.2")
    hand.now += FORGOTTEN_SECONDS
    assert not brakes.is_cut("192.0.2.1")


def test_many_addresses_that_guess_at_one_key_are_slowed_and_not_cut() -> None:
    brakes = Brakes(Hand())
    delays = [brakes.failed(f"192.0.2.{n}", f"abcdefgh{n}") for n in range(30)]
    assert delays[-1] == LONGEST_DELAY_SECONDS
    assert not brakes.is_cut("192.0.2.1")


def test_a_host_cannot_change_its_ipv6_address_to_begin_anew() -> None:
    brakes = Brakes(Hand())
    for number in range(FAILURES_TO_CUT):
        brakes.failed(f"2001:db8::{number:x}", str(number) * 8)
    assert brakes.is_cut("2001:db8::ffff")
    assert not brakes.is_cut("2001:db8:0:1::1")
