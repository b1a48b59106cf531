"""When the last message of a campaign leaves, and what holds it."""

from __future__ import annotations

import pytest

from merpati.contracts.sending_policy import ProviderAllowance
from merpati.events.outlook import HORIZON_MS, Held, Part, Queue, Waiting, Way, estimate
from merpati.events.outlook_lane import DAY_MS

HOUR_MS = 3_600_000
DAY = 20_700
MIDNIGHT = DAY * DAY_MS
NOON = MIDNIGHT + DAY_MS // 2
IP = "192.0.2.1"


def level(messages: int, day: int = DAY, **more: int) -> ProviderAllowance:
    return ProviderAllowance("google", day, messages, **more)


GOOGLE = Queue(1, "google")


def parts_of(
    *ways: Way, hopeful: bool = False, due_at: int = NOON, held: Held = Held.SCHEDULE, **sent: int
) -> dict[str, Part]:
    """Return the parts of campaigns whose mail falls due at once, by campaign."""
    waiting = [Waiting(GOOGLE, due_at, sent, held)]
    parts = estimate(waiting, {GOOGLE: ways}, NOON, hopeful=hopeful)
    return {part.campaign_id: part for part in parts}


def only(*ways: Way, due_at: int = NOON, own: int = 600, others: int = 0) -> Part:
    sent = {"spring": own} | ({"autumn": others} if others else {})
    return parts_of(*ways, due_at=due_at, **sent)["spring"]


def test_what_nothing_holds_leaves_now() -> None:
    assert only(Way(IP)) == Part("spring", GOOGLE, 600, NOON, Held.NOTHING, (), due_at=NOON)


def test_what_is_scheduled_leaves_at_its_moment() -> None:
    part = only(Way(IP), due_at=NOON + 5 * HOUR_MS + 60_000)
    assert (part.last_at, part.held) == (NOON + 5 * HOUR_MS + 60_000, Held.SCHEDULE)


def test_what_is_tried_again_is_said_so() -> None:
    part = parts_of(Way(IP), due_at=NOON + HOUR_MS, held=Held.RETRY, spring=1)["spring"]
    assert part.held is Held.RETRY


def test_a_pace_is_kept_and_other_campaigns_share_it() -> None:
    alone = only(Way(IP, per_minute=10))
    shared = only(Way(IP, per_minute=10), others=600)
    assert (alone.held, alone.sending_ips) == (Held.PACE, (IP,))
    assert alone.last_at == pytest.approx(NOON + HOUR_MS, abs=900_000)
    assert shared.last_at == pytest.approx(NOON + 2 * HOUR_MS, abs=900_000)


def test_what_exceeds_todays_allowance_waits_for_tomorrows() -> None:
    """500 of today are left, spread over the afternoon; 100 wait for tomorrow's 2,400."""
    part = only(Way(IP, "google", [level(1_000), level(2_400, DAY + 1)], used=500))
    assert (part.held, part.sending_ips, part.for_tomorrow) == (Held.ALLOWANCE, (IP,), 100)
    assert part.last_at == pytest.approx(MIDNIGHT + DAY_MS + HOUR_MS, abs=900_000)


def test_a_day_without_a_row_repeats_the_level_before_it() -> None:
    part = only(
        Way(IP, "google", [level(100, DAY - 5)]), own=350
    )  # 50 of them today: never more than spread
    assert part.last_at == pytest.approx(MIDNIGHT + 3.5 * DAY_MS, abs=DAY_MS)
    assert part.held is Held.ALLOWANCE


def test_a_pause_of_the_plan_and_an_order_are_waited_for() -> None:
    paused = only(
        Way(IP, "google", [level(10_000, messages_per_hour=6_000, paused_until=NOON + HOUR_MS)])
    )
    ordered = only(Way(IP, closed_until=NOON + HOUR_MS))
    assert (paused.held, ordered.held) == (Held.ALLOWANCE, Held.ORDER)
    for part in (paused, ordered):
        assert part.last_at == pytest.approx(NOON + HOUR_MS, abs=900_000)


def test_a_limit_of_the_whole_ip_is_shared_by_its_providers() -> None:
    queues = [Queue(1, name) for name in ("google", "yahoo")]
    ways = {queue: [Way(IP, queue.provider, per_day=1_000)] for queue in queues}
    waiting = [Waiting(queue, NOON, {"spring": 800}) for queue in queues]
    parts = estimate(waiting, ways, NOON)
    assert [part.last_at for part in parts] == [MIDNIGHT + DAY_MS, NOON]
    assert parts[0].for_tomorrow == 600


def test_queues_that_share_a_way_share_its_pace() -> None:
    """Mail of two pools with one overflow pool, at one provider."""
    queues = [Queue(number, "google") for number in (1, 2)]
    ways = {queue: [Way(IP, "google", per_minute=10)] for queue in queues}
    parts = estimate([Waiting(queue, NOON, {"spring": 600}) for queue in queues], ways, NOON)
    assert parts[0].last_at == pytest.approx(NOON + 2 * HOUR_MS, abs=900_000)


def test_an_order_closes_a_shared_way_to_the_mail_it_names_alone() -> None:
    queues = [Queue(1, name, by_old=True) for name in ("google", "yahoo")]
    until = {"google": NOON + HOUR_MS}
    ways = {
        queue: [Way("old", "egress:old", closed_until=until.get(queue.provider, 0), is_old=True)]
        for queue in queues
    }
    parts = estimate([Waiting(queue, NOON, {"spring": 9}) for queue in queues], ways, NOON)
    assert [(part.queue.provider, part.last_at, part.held) for part in parts] == [
        ("google", NOON + HOUR_MS, Held.ORDER),
        ("yahoo", NOON, Held.NOTHING),
    ]


def test_the_old_providers_share_leaves_at_its_pace_by_its_relay_alone() -> None:
    old = Queue(1, "google", by_old=True)
    relay = Way("old", "egress:old", per_minute=10, is_old=True)
    waiting = [Waiting(GOOGLE, NOON, {"spring": 600}), Waiting(old, NOON, {"spring": 600})]
    theirs, ours = estimate(waiting, {GOOGLE: [Way(IP)], old: [relay]}, NOON)
    assert (ours.queue, ours.held) == (GOOGLE, Held.NOTHING)
    assert (theirs.queue, theirs.held, theirs.sending_ips) == (old, Held.OLD_PACE, ())
    assert theirs.last_at == pytest.approx(NOON + HOUR_MS, abs=900_000)


def test_an_old_provider_relieves_once_the_allowance_is_spent() -> None:
    """500 of ours leave until midnight; then the rest goes by the relay, not before."""
    relay = Way("old", "egress:old", is_old=True, relieves=True)
    part = only(Way(IP, "google", [level(500)]), relay)
    assert part.last_at == MIDNIGHT + DAY_MS - 900_000
    withheld = Way(IP, "google", [level(500, paused_until=NOON + 3 * HOUR_MS)])
    assert only(withheld, relay).last_at == NOON


def test_what_replies_paused_and_slowed_waits_for_them() -> None:
    paused = only(Way(IP, paused_until=NOON + HOUR_MS))
    assert (paused.last_at, paused.held) == (NOON + HOUR_MS, Held.PAUSE)
    slowed = Way(IP, per_minute=6_000, slowed_to=1, slowed_until=NOON + HOUR_MS)
    late, early = (parts_of(slowed, hopeful=h, spring=600)["spring"] for h in (False, True))
    assert late.last_at == pytest.approx(NOON + 10 * HOUR_MS, abs=900_000)
    assert early.last_at == pytest.approx(NOON + HOUR_MS, abs=900_000)


def test_if_all_goes_well_open_allowances_rise_and_decided_ones_stay() -> None:
    decided = Way(IP, "google", [level(100), level(100, DAY + 1)])
    late, early = (parts_of(decided, hopeful=h, spring=400)["spring"] for h in (False, True))
    # 100 and 100 either way; then 100 and 100 again, or 200 of 250.
    assert late.last_at == pytest.approx(MIDNIGHT + 4 * DAY_MS, abs=900_000)
    assert early.last_at == pytest.approx(MIDNIGHT + 2.8 * DAY_MS, abs=900_000)


def test_far_ahead_and_among_many_queues_moments_stay_near() -> None:
    """Stretches grow longer, and what is spread over them still ends where it does."""
    alone = only(Way(IP, "google", [level(100)]), own=1_050)
    queues = [Queue(1, f"d{number}.example") for number in range(200)]
    ways = {queue: [Way(IP, queue.provider, [level(100)])] for queue in queues}
    parts = estimate([Waiting(queue, NOON, {"spring": 1_050}) for queue in queues], ways, NOON)
    assert {part.last_at for part in parts} == {alone.last_at}
    assert alone.last_at == pytest.approx(MIDNIGHT + 10.5 * DAY_MS, abs=900_000)
    far = only(Way(IP), due_at=NOON + 20 * DAY_MS + 61_000)
    assert far.last_at == NOON + 20 * DAY_MS + 61_000


def test_recipients_whom_warming_ips_do_not_take_wait_for_engagement() -> None:
    cold = Queue(1, "google", barred=(IP,))
    (part,) = estimate([Waiting(cold, NOON, {"spring": 9})], {cold: []}, NOON)
    assert (part.last_at, part.held) == (None, Held.ENGAGEMENT)


def test_each_campaign_has_its_own_end() -> None:
    waiting = [
        Waiting(GOOGLE, NOON, {"spring": 300, "autumn": 300}),
        Waiting(GOOGLE, NOON + 1, {"autumn": 600}),
    ]
    parts = estimate(waiting, {GOOGLE: [Way(IP, per_minute=10)]}, NOON)
    assert [(part.campaign_id, part.messages) for part in parts] == [
        ("autumn", 900),
        ("spring", 300),
    ]
    assert parts[1].last_at == pytest.approx(NOON + HOUR_MS, abs=900_000)
    assert parts[0].last_at == pytest.approx(NOON + 2 * HOUR_MS, abs=900_000)


def test_what_no_allowance_will_ever_bear_has_no_end() -> None:
    part = only(Way(IP, "google", [level(0)]))
    assert (part.last_at, part.held) == (None, Held.ALLOWANCE)
    assert only().held is Held.NO_WAY
    assert HORIZON_MS > 45 * DAY_MS
