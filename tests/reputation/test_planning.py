from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date, timedelta

import pytest

from merpati.providers.directory import directory
from merpati.reputation.migration_plan import (
    WHOLE,
    Engaged,
    Flow,
    MigrationPlan,
    Note,
    Pool,
    StepKind,
    Traffic,
)
from merpati.reputation.planning import HORIZON, plan_for
from merpati.reputation.pool_layout import pools_as_they_are, pools_for
from merpati.reputation.traffic_csv import InvalidTraffic

TODAY = date(2026, 11, 27)
START = date(2026, 12, 7)
SOME = Engaged(0.1, 0.3, 0.5, 0.6)


def _flow(stream: str, provider: str, now: int, engaged: Engaged | None = None) -> Flow:
    return Flow(
        stream=stream, provider=provider, messages_per_day=now, target_per_day=now, engaged=engaged
    )


def _plan(*flows: Flow, pools: list[Pool] | None = None, seed: int = 1) -> MigrationPlan:
    return plan_for(Traffic(flows), START, TODAY, directory(), pools=pools, seed=seed)


@pytest.mark.parametrize(
    ("volumes", "layout"),
    [
        pytest.param([5_000], {"a": 1}, id="one small stream"),
        pytest.param([5_000, 4_000], {"default": 1}, id="small streams share"),
        pytest.param([3_000_000, 50_000, 900], {"a": 2, "b": 1, "c": 1}, id="two millions an IP"),
        pytest.param([20_000_000, 2_000_000], {"a": 4, "b": 1}, id="five, when six are too few"),
        pytest.param([40_000] * 8, {"default": 1} | dict.fromkeys("abcde", 1), id="eight streams"),
        pytest.param([30_000_000], {"a": 6}, id="all that six carry"),
    ],
)
def test_streams_get_pools_and_ips(volumes: list[int], layout: dict[str, int]) -> None:
    names = "abcdefgh"
    traffic = Traffic(tuple(_flow(names[n], "google", volume) for n, volume in enumerate(volumes)))
    pools = pools_for(traffic, START)
    assert {pool.name: pool.ips for pool in pools} == layout
    assert sorted(stream for pool in pools for stream in pool.streams) == traffic.streams[:8]


def test_a_pool_starts_with_the_last_of_its_streams() -> None:
    late = Flow(
        stream="news", provider="google", messages_per_day=9, target_per_day=9,
        starts_on=START + timedelta(days=7),
    )  # fmt: skip
    pools = pools_for(Traffic((_flow("mail", "google", 9), late)), START)
    assert [(pool.name, pool.starts_on) for pool in pools] == [
        ("default", START + timedelta(days=7))
    ]


def test_streams_go_by_the_pool_of_their_name_or_the_default_pool() -> None:
    traffic = Traffic((_flow("news", "google", 9), _flow("mail", "google", 8)))
    pools = pools_as_they_are(traffic, {"default": 2, "news": 1}, START)
    assert pools == [Pool("news", ("news",), 1, START), Pool("default", ("mail",), 2, START)]


def test_a_plan_is_repeatable_by_its_seed() -> None:
    flow = _flow("news", "google", 80_000)
    assert _plan(flow, seed=1) == _plan(flow, seed=1)
    assert _plan(flow, seed=1) != _plan(flow, seed=2)


def test_shares_only_rise_and_the_middle_lies_within_the_range() -> None:
    plan = _plan(_flow("news", "google", 80_000, SOME), _flow("news", "yahoo", 300, SOME))
    for cell in plan.cells:
        assert len(cell.days) == HORIZON
        for before, after in itertools.pairwise(cell.days):
            assert 0 < before.share <= after.share <= WHOLE
        for day in cell.days:
            assert day.ours_low <= day.ours <= day.ours_high <= cell.messages_per_day
        assert cell.done.early is not None
        assert cell.days[-1].ours == cell.messages_per_day


WEEK = (900, 1_000, 1_000, 1_000, 900, 250, 0)  # START is a Monday


def test_a_plans_days_follow_the_weekdays() -> None:
    every = replace(_flow("news", "yahoo", 1_000), weekdays=WEEK)
    (cell,) = _plan(every).cells
    (busy,) = _plan(_flow("news", "yahoo", 1_000)).cells
    assert [day.volume for day in cell.days[:8]] == [*WEEK, 900]
    assert {day.volume for day in busy.days} == {1_000}
    for day in cell.days:
        assert day.ours_high <= day.volume
    saturday, sunday, monday = cell.days[-HORIZON + 82 : -HORIZON + 85]
    assert (saturday.ours, sunday.ours, monday.ours) == (250, 0, 900)
    shares = [day.share for day in cell.days]
    assert shares == sorted(shares)


def test_a_day_counts_as_moved_by_what_there_is_to_send_on_it() -> None:
    """A week without any busy day is done all the same; a free day says nothing."""
    quiet = replace(_flow("news", "yahoo", 1_000), weekdays=(0, 0, 0, 0, 400, 400, 0))
    (cell,) = _plan(quiet).cells
    assert cell.done.likely is not None
    assert cell.done.likely.weekday() in (4, 5)


def test_weekends_make_a_warm_up_take_longer() -> None:
    flow = _flow("news", "yahoo", 400_000)
    rests = replace(flow, weekdays=(*[400_000] * 5, 0, 0))
    whole, five = (_plan(one).whole.likely for one in (flow, rests))
    assert whole is not None
    assert five is not None
    assert five > whole


def test_flows_of_which_weekdays_are_not_known_count_as_busy() -> None:
    known = replace(_flow("news", "yahoo", 600), weekdays=(600, 600, 600, 600, 600, 0, 0))
    (cell,) = _plan(known, _flow("mail", "yahoo", 400)).cells
    assert [day.volume for day in cell.days[4:7]] == [1_000, 400, 400]


def test_whoever_engaged_lately_moves_first() -> None:
    (cell,) = _plan(_flow("news", "yahoo", 1_000, SOME)).cells
    most = {number: cell.days[number - 1].ours_high for number in (14, 28, 42, 43)}
    assert most == {14: 300, 28: 500, 42: 600, 43: 1_000}


def test_mail_to_google_never_doubles_from_one_day_to_the_next() -> None:
    google, yahoo = _plan(_flow("n", "google", 500_000), _flow("n", "yahoo", 500_000)).cells
    leaps = [
        any(day.ours_high > 2 * before.ours_high for before, day in itertools.pairwise(cell.days))
        for cell in (google, yahoo)
    ]
    assert leaps == [False, True]


def test_more_ips_are_done_no_later() -> None:
    flow = _flow("default", "yahoo", 400_000)
    one, six = (_plan(flow, pools=[Pool("default", ("default",), n, START)]) for n in (1, 6))
    assert six.whole.likely is not None
    assert one.whole.likely is not None
    assert six.whole.likely < one.whole.likely


def test_a_pool_without_ips_leaves_its_mail_where_it_is() -> None:
    plan = _plan(_flow("news", "yahoo", 900), pools=[Pool("default", ("news",), 0, START)])
    assert Note.NO_IPS in plan.notes
    assert {day.share for day in plan.cells[0].days} == {0}
    assert plan.whole.late is None


def test_steps_before_the_first_day_name_whoever_refuses_unknown_ips() -> None:
    plan = _plan(_flow("news", "t-online", 900), _flow("news", "yahoo", 90))
    steps = {(step.kind, step.facts.get("provider")): step for step in plan.steps}
    register = steps[StepKind.REGISTER, "T-Online (Deutsche Telekom)"]
    assert register.due_on < START
    assert "tobr@rx.t-online.de" in str(register.facts["where"])
    assert any(kind is StepKind.FEEDBACK_LOOP for kind, _ in steps)
    assert plan.whole.late is not None
    assert plan.steps[-1].kind is StepKind.KEEP_OLD
    assert plan.steps[-1].due_on > plan.whole.late
    assert plan.notes == (Note.LITTLE_MAIL, Note.NO_ENGAGEMENT)


@pytest.mark.parametrize(
    ("flow", "starts_on", "message"),
    [
        pytest.param(
            _flow("a", "google", 5), TODAY - timedelta(days=1),
            "starts_on: 2026-11-26 is in the past; today is 2026-11-27 (UTC).", id="past",
        ),
        pytest.param(
            _flow("a", "google", 30_000_001), START,
            "target_per_day: 30,000,001 messages a day are more than six", id="too much",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_refused(flow: Flow, starts_on: date, message: str) -> None:
    with pytest.raises(InvalidTraffic, match=message.replace("(", r"\(").replace(")", r"\)")):
        plan_for(Traffic((flow,)), starts_on, TODAY, directory())
