"""Contents that came just now: kept within bounds, the older first."""

from __future__ import annotations

from merpati.delivery.fresh_contents import LONGEST_SECONDS, FreshContents


class Watch:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def test_a_content_is_taken_once() -> None:
    fresh = FreshContents(10, Watch())
    fresh.keep(1, {7: b"seven"})
    assert fresh.take(2, 7) is None
    assert fresh.take(1, 7) == b"seven"
    assert fresh.take(1, 7) is None


def test_what_does_not_fit_is_not_kept_until_there_is_room() -> None:
    fresh = FreshContents(10, Watch())
    fresh.keep(1, {1: b"12345", 2: b"12345", 3: b"12345"})
    assert fresh.take(1, 3) is None
    assert fresh.take(1, 1) == b"12345"
    fresh.keep(1, {4: b"1234"})
    assert fresh.take(1, 4) == b"1234"


def test_what_nobody_takes_makes_room_in_time() -> None:
    watch = Watch()
    fresh = FreshContents(10, watch)
    fresh.keep(1, {1: b"1234567890"})
    watch.at = LONGEST_SECONDS
    fresh.keep(1, {2: b"12345"})
    assert fresh.take(1, 1) is None
    assert fresh.take(1, 2) == b"12345"
