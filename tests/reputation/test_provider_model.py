from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from merpati.reputation.provider_family import FAMILY_SIZE, family
from merpati.reputation.provider_model import Growth, Provider, Temper

PLAIN = Temper(
    growth=Growth.EARNED,
    start_per_day=1_000.0,
    growth_per_day=2.0,
    needed_use=0.5,
    window_days=3,
    softness=0.0,
    block_at=2.0,
    block_days=1.0,
    block_cost=0.5,
    strain_cost=0.8,
    patience=0.1,
    strain_stops_growth=True,
    complaint_limit=0.003,
    complaint_cost=0.6,
    reports_complaints=True,
    background_deferral=0.0,
    noise=0.0,
    bucket_hours=None,
    is_slow=False,
    memory_days=30,
)


def _provider(**changes: object) -> Provider:
    provider = Provider(replace(PLAIN, **changes), Random(1))  # type: ignore[arg-type]
    provider.begin_day()
    return provider


def _tomorrow(provider: Provider, complaint_share: float = 0.0) -> float:
    provider.end_day(complaint_share)
    provider.begin_day()
    return provider.tolerance


def test_it_takes_what_it_tolerates_then_defers_then_blocks() -> None:
    provider = _provider()
    assert provider.answer(1_000, 8).delivered == 1_000
    assert provider.answer(1_000, 9).deferred == 1_000
    assert provider.answer(500, 10).blocked == 500
    assert provider.answer(1, 23).blocked == 1


def test_a_soft_edge_defers_ever_more() -> None:
    provider = _provider(softness=0.5)
    shares = [provider.answer(250, hour).deferred for hour in range(8)]
    assert shares == sorted(shares)
    assert shares[:4] == [0, 0, 0, 0]
    assert 0 < shares[4] < shares[5] < 250


def test_a_block_lasts_and_costs() -> None:
    provider = _provider()
    provider.answer(2_001, 12)
    assert _tomorrow(provider) == pytest.approx(500)
    assert provider.answer(10, 11).blocked == 10
    assert provider.answer(10, 12).delivered == 10


@pytest.mark.parametrize(
    ("growth", "messages", "tolerance"),
    [
        pytest.param(Growth.EARNED, 500, 2_000, id="earned"),
        pytest.param(Growth.EARNED, 250, 1_414, id="earned by half"),
        pytest.param(Growth.CALENDAR, 1, 2_000, id="calendar"),
        pytest.param(Growth.STEPPED, 1_000, 1_000, id="stepped stands still at first"),
        pytest.param(Growth.ROLLING, 1_000, 2_000, id="rolling"),
    ],
)
def test_tolerance_grows_by_its_rule(growth: Growth, messages: int, tolerance: float) -> None:
    provider = _provider(growth=growth)
    provider.answer(messages, 12)
    assert _tomorrow(provider) == pytest.approx(tolerance, rel=0.01)


def test_a_rolling_mean_falls_with_the_mail() -> None:
    provider = _provider(growth=Growth.ROLLING, window_days=1)
    provider.answer(1_000, 12)
    assert _tomorrow(provider) == pytest.approx(2_000)
    provider.answer(600, 12)
    assert _tomorrow(provider) == pytest.approx(2_400)
    provider.answer(1, 12)
    assert _tomorrow(provider) == pytest.approx(1_000), "never below a stranger's"


def test_steps_come_after_well_used_days() -> None:
    provider = _provider(growth=Growth.STEPPED)
    seen = []
    for _ in range(3):
        provider.answer(1_000, 12)
        seen.append(_tomorrow(provider))
    assert seen == pytest.approx([1_000, 1_000, 8_000])


def test_complaints_cost_tolerance_and_slow_its_growth() -> None:
    provider = _provider()
    provider.answer(1_000, 12)
    assert _tomorrow(provider, complaint_share=0.02) == pytest.approx(600)
    provider = _provider(growth=Growth.COMPLAINTS, complaint_limit=1.0)
    provider.answer(1_000, 12)
    assert 1_000 < _tomorrow(provider, complaint_share=0.5) < 1_700


def test_strain_stops_growth_and_costs() -> None:
    provider = _provider()
    provider.answer(1_600, 12)  # half more than tolerance and patience
    assert _tomorrow(provider) == pytest.approx(1_000 * 0.8**0.5)


def test_a_slow_provider_takes_everything_and_judges_after_midnight() -> None:
    provider = _provider(is_slow=True)
    assert provider.answer(5_000, 12).delivered == 5_000
    provider.end_day()
    provider.begin_day()
    assert provider.answer(10, 1).blocked == 10


def test_a_bucket_bears_an_even_flow_and_no_burst() -> None:
    burst = _provider(bucket_hours=2.4)  # 100 messages
    assert burst.answer(300, 12).deferred == 200
    even = _provider(bucket_hours=2.4)
    assert sum(even.answer(20, hour / 2).deferred for hour in range(48)) == 0


def test_idle_weeks_are_forgotten() -> None:
    provider = _provider()
    for _ in range(3):
        provider.answer(int(provider.tolerance), 12)
        _tomorrow(provider)
    assert provider.tolerance == pytest.approx(8_000)
    tolerances = [_tomorrow(provider) for _ in range(30)]
    assert tolerances[2] == pytest.approx(8_000), "a weekend costs nothing"
    assert tolerances[10] < 8_000
    assert tolerances[-1] == pytest.approx(1_000)


def test_the_family_is_wide_and_its_halves_differ() -> None:
    assert FAMILY_SIZE >= 300
    tuning, final = family("tuning"), family("final")
    assert len(tuning) == len(final) == FAMILY_SIZE // 2
    assert not {member.seed for member in tuning} & {member.seed for member in final}
    assert family("tuning") == tuning
    for half in (tuning, final):
        tempers = [member.temper for member in half]
        assert {temper.growth for temper in tempers} == set(Growth)
        starts = sorted(temper.start_per_day for temper in tempers)
        growths = sorted(temper.growth_per_day for temper in tempers)
        assert 50 <= starts[0] < 70 and 1_500 < starts[-1] <= 2_000
        assert 1.15 <= growths[0] < 1.25 and 2.4 < growths[-1] <= 2.5
        assert any(temper.is_slow for temper in tempers)
        assert any(temper.bucket_hours for temper in tempers)
        assert any(member.mailing.bad_list_on is not None for member in half)
        assert any(member.mailing.weekend_share < 0.3 for member in half)
