from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from merpati.reputation.reason import Kind, Reason
from merpati.reputation.warmup import next_allowance
from merpati.sending import policy
from merpati.sending.allowances import Level, PaceNow, forget_before, write_allowances
from merpati.sending.allowances_in_force import for_policy
from merpati.sending.models import ProviderAllowance, SendingIp
from merpati.sending.sending_ips import add_sending_ip, choose_warmup
from tests.support.control import BY, NOW, make_account

pytestmark = pytest.mark.django_db
TODAY, MIDNIGHT = date(2026, 2, 3), datetime(2026, 2, 4, tzinfo=UTC)
FIRST = Reason(Kind.FIRST_DAY, {"messages": 150})
STOPPED = Reason(Kind.STOPPED_BY_BLOCK, {"blocked": 9, "attempted": 90})


@pytest.fixture
def ip() -> SendingIp:
    account = make_account()
    add_sending_ip(account.pk, "192.0.2.1", "mta1.example.org", by=BY, now=NOW)
    return choose_warmup(account.pk, "192.0.2.1", by_provider=True, by=BY, now=NOW)


def level(ip: SendingIp, messages: int, provider: str = "gmail", day: date = TODAY) -> Level:
    return Level(ip.pk, provider, day, messages, FIRST)


def published():
    (pool,) = [one for one in policy.build("b.example").pools if one.ips]
    return pool.ips[0]


def test_an_ip_that_warms_by_provider_says_what_an_unknown_provider_gets(ip: SendingIp) -> None:
    assert published().first_allowance == next_allowance((), 10**9).messages_per_day
    assert published().allowances == []


def test_a_warm_ip_has_no_allowances_left(ip: SendingIp) -> None:
    write_allowances([level(ip, 150)], now=NOW)
    choose_warmup(ip.account_id, ip.address, by=BY, now=NOW)
    assert (published().first_allowance, published().allowances) == (None, [])


def test_levels_from_before_providers_forgot_are_not_gone_on_with(ip: SendingIp) -> None:
    write_allowances(
        [level(ip, 90_000), level(ip, 80, "yahoo", TODAY + timedelta(days=9))], now=NOW
    )
    who = {"by": BY, "now": NOW + timedelta(days=31)}
    choose_warmup(ip.account_id, ip.address, **who)
    choose_warmup(ip.account_id, ip.address, by_provider=True, **who)
    assert [one.provider for one in published().allowances] == ["yahoo"]


def test_the_policy_has_the_newest_day_of_each_provider(ip: SendingIp) -> None:
    yesterday = TODAY - timedelta(days=1)
    write_allowances(
        [level(ip, 150, day=yesterday), level(ip, 300), level(ip, 80, "yahoo", yesterday)], now=NOW
    )
    found = {(one.provider, one.day, one.messages) for one in published().allowances}
    assert found == {("gmail", 20_487, 300), ("yahoo", 20_486, 80)}
    assert "150" in published().allowances[0].reason  # words, from the reason's facts


def test_old_rows_are_forgotten_but_not_what_still_holds(ip: SendingIp) -> None:
    days = [TODAY - timedelta(days=n) for n in (3, 2, 1)]
    write_allowances([level(ip, n, day=day) for n, day in enumerate(days, 1)], now=NOW)
    write_allowances([level(ip, 9, "yahoo", days[0])], now=NOW)
    assert forget_before(days[2]) == 2
    assert {(one.provider, one.messages) for one in published().allowances} == {
        ("gmail", 3),
        ("yahoo", 9),
    }


def test_the_policy_reads_the_newest_levels_in_two_queries(
    ip: SendingIp, django_assert_num_queries: Any
) -> None:
    for ago in range(5):
        day = TODAY - timedelta(days=ago)
        write_allowances([level(ip, 9, f"provider{n}", day) for n in range(9)], now=NOW)
    with django_assert_num_queries(2):
        assert len(for_policy([ip.pk])[ip.pk]) == 9


def test_a_day_has_its_level_from_whoever_comes_first(ip: SendingIp) -> None:
    write_allowances([level(ip, 150)], now=NOW)
    before = policy.current_version()
    assert write_allowances([level(ip, 999)], now=NOW) == ([], [])
    assert ProviderAllowance.objects.get().messages == 150
    assert policy.current_version() == before  # nothing new, so nothing for workers to read


def test_a_batch_is_one_new_version(ip: SendingIp) -> None:
    before = policy.current_version()
    write_allowances([level(ip, 150, f"provider{n}") for n in range(20)], now=NOW)
    assert policy.current_version() == before + 1
    assert ProviderAllowance.objects.count() == 20


def test_a_pause_keeps_the_level_and_tells_its_own_reason(ip: SendingIp) -> None:
    write_allowances([level(ip, 150), level(ip, 80, "yahoo")], now=NOW)
    pause = PaceNow(level(ip, 1), None, MIDNIGHT, STOPPED)
    assert write_allowances([], [pause], now=NOW) == ([], [pause])
    gmail, yahoo = sorted(published().allowances, key=lambda one: one.provider)
    assert (gmail.messages, gmail.paused_until) == (150, int(MIDNIGHT.timestamp() * 1000))
    assert gmail.reason.startswith("The provider blocked 9 of 90 attempts")
    assert (yahoo.messages, yahoo.paused_until) == (80, 0)  # unhurt
    assert write_allowances([], [pause], now=NOW) == ([], [])  # said before


def test_a_provider_that_had_no_row_yet_can_be_paused(ip: SendingIp) -> None:
    write_allowances([], [PaceNow(level(ip, 150), None, MIDNIGHT, STOPPED)], now=NOW)
    assert published().allowances[0].messages == 150
    write_allowances([], [PaceNow(level(ip, 150), 7, None, STOPPED)], now=NOW)
    assert published().allowances[0].messages_per_hour == 7
    assert published().allowances[0].paused_until == 0
