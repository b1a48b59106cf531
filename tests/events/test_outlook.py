"""When the last message of a campaign leaves, and what holds it."""

from __future__ import annotations

import pytest

from merpati.contracts.sending_policy import ProviderAllowance
from merpati.events.outlook import DAY_MS, HORIZON_MS, Held, Part, Waiting, Way, estimate

HOUR_MS = 3_600_000
DAY = 20_700
MIDNIGHT = DAY * DAY_MS
NOON = MIDNIGHT + DAY_MS // 2
IP = "192.0.2.1"


def level(messages: int, day: int = DAY, **more: int) -> ProviderAllowance:
    return ProviderAllowance("google", day, messages, **more)


def only(*ways: Way, due_at: int = NOON, own: int = 600, others: int = 0) -> Part:
    waiting = [Waiting(1, "google", due_at, own, others)]
    (part,) = estimate(waiting, {(1, "google"): ways}, NOON)
    return part


def test_what_nothing_holds_leaves_now() -> None:
    assert only(Way(IP)) == Part(1, "google", 600, NOON, Held.NOTHING, ())


def test_what_is_scheduled_leaves_at_its_moment() -> None:
    part = only(Way(IP), due_at=NOON + 5 * HOUR_MS + 60_000)
    assert (part.last_at, part.held) == (NOON + 5 * HOUR_MS + 60_000, Held.SCHEDULE)


def test_a_pace_is_kept_and_other_campaigns_share_it() -> None:
    alone = only(Way(IP, per_minute=10))
    shared = only(Way(IP, per_minute=10), others=600)
    assert (alone.held, alone.sending_ips) == (Held.PACE, (IP,))
    assert alone.last_at == pytest.approx(NOON + HOUR_MS, abs=900_000)
    assert shared.last_at == pytest.approx(NOON + 2 * HOUR_MS, abs=900_000)


def test_what_exceeds_todays_allowance_waits_for_tomorrows() -> None:
    """500 of today are left, spread over the afternoon; 100 wait for tomorrow's 2,400."""
    part = only(Way(IP, [level(1_000), level(2_400, DAY + 1)], used=500))
    assert (part.held, part.sending_ips, part.for_tomorrow) == (Held.ALLOWANCE, (IP,), 100)
    assert part.last_at == pytest.approx(MIDNIGHT + DAY_MS + HOUR_MS, abs=900_000)


def test_a_day_without_a_row_repeats_the_level_before_it() -> None:
    part = only(Way(IP, [level(100, DAY - 5)]), own=350)  # 50 of them today: never more than spread
    assert part.last_at == pytest.approx(MIDNIGHT + 3.5 * DAY_MS, abs=DAY_MS)
    assert part.held is Held.ALLOWANCE


def test_a_pause_of_the_plan_and_an_order_are_waited_for() -> None:
    paused = only(Way(IP, [level(10_000, messages_per_hour=6_000, paused_until=NOON + HOUR_MS)]))
    ordered = only(Way(IP, closed_until=NOON + HOUR_MS))
    assert (paused.held, ordered.held) == (Held.ALLOWANCE, Held.ORDER)
    for part in (paused, ordered):
        assert part.last_at == pytest.approx(NOON + HOUR_MS, abs=900_000)


def test_a_limit_of_the_whole_ip_is_shared_by_its_providers() -> None:
    ways = {(1, name): [Way(IP, per_day=1_000)] for name in ("google", "yahoo")}
    parts = estimate([Waiting(1, name, NOON, 800) for _, name in ways], ways, NOON)
    assert [part.last_at for part in parts] == [MIDNIGHT + DAY_MS, NOON]
    assert parts[0].for_tomorrow == 600


def test_what_no_allowance_will_ever_bear_has_no_end() -> None:
    part = only(Way(IP, [level(0)]))
    assert (part.last_at, part.held) == (None, Held.ALLOWANCE)
    assert only().held is Held.NO_WAY
    assert HORIZON_MS > 45 * DAY_MS
