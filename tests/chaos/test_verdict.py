"""The judge of the chaos rounds must itself notice each kind of fault."""

from chaos.fate import Fate, Manners
from chaos.verdict import TRIES, Arrival, judge, never_reached

A, B = "a@example.net", "b@example.net"


def test_everything_arrived_once_holds() -> None:
    verdict = judge({A, B}, [Arrival(1, A, "<1>"), Arrival(2, B, "<2>")], [])
    assert verdict.holds
    assert (verdict.promised, verdict.received, verdict.duplicates) == (2, 2, 0)


def test_a_lost_message_fails() -> None:
    verdict = judge({A, B}, [Arrival(1, A, "<1>")], [])
    assert verdict.lost == 1
    assert not verdict.holds


def test_a_rejected_message_is_not_lost_and_a_deferred_one_is_if_it_never_came() -> None:
    everybody = {f"u{n}@example.net" for n in range(1000)}
    manners = Manners(defer=30, reject=2)
    by_fate = {fate: {r for r in everybody if manners.fate_of(r) is fate} for fate in Fate}
    taken = [Arrival(1, r, "<1>") for r in sorted(by_fate[Fate.TAKEN])]
    verdict = judge(everybody, taken, [], manners)
    assert 200 < verdict.deferred < 400
    assert 0 < verdict.rejected < 50
    assert verdict.lost == verdict.deferred
    late = [Arrival(2, r, "<1>") for r in by_fate[Fate.DEFERRED_ONCE]]
    assert judge(everybody, taken + late, [], manners).holds


def test_a_message_nobody_promised_fails() -> None:
    verdict = judge({A}, [Arrival(1, A, "<1>"), Arrival(2, B, "<2>")], [])
    assert verdict.strangers == 1
    assert not verdict.holds


def test_a_duplicate_across_a_kill_is_counted_and_holds() -> None:
    verdict = judge({A}, [Arrival(10.0, A, "<1>"), Arrival(12.0, A, "<1>")], [10.3])
    assert verdict.duplicates == 1
    assert verdict.holds


def test_a_duplicate_that_no_kill_explains_fails() -> None:
    verdict = judge({A}, [Arrival(10.0, A, "<1>"), Arrival(12.0, A, "<1>")], [15.0])
    assert verdict.outside_window == 1
    assert not verdict.holds


def test_a_kill_long_after_the_first_arrival_explains_nothing() -> None:
    verdict = judge({A}, [Arrival(10.0, A, "<1>"), Arrival(22.0, A, "<1>")], [20.0])
    assert verdict.outside_window == 1


def test_a_duplicate_with_another_message_id_fails() -> None:
    verdict = judge({A}, [Arrival(10.0, A, "<1>"), Arrival(12.0, A, "<2>")], [10.3])
    assert verdict.changed_ids == 1
    assert not verdict.holds


def test_a_fault_point_that_kills_nothing_is_named() -> None:
    tried = {"gone": TRIES, "rare": TRIES, "untried": TRIES - 1}
    assert never_reached(tried, {"rare": 1}) == ["gone"]
