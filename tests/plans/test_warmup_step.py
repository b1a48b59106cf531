"""Warm-up carried out: the day's levels, the pace within it, alerts, and doing it all twice."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from merpati.accounts.models import AuditEntry
from merpati.events.alerts import Kind as AlertKind
from merpati.events.alerts import in_words
from merpati.events.models import Alert
from merpati.plans.warmup import actions
from merpati.plans.warmup.step import WarmUp
from merpati.reputation.history import Day
from merpati.reputation.warmup import next_allowance
from merpati.sending import policy
from merpati.sending.allowances_in_force import first_allowance
from merpati.sending.models import ProviderAllowance, SendingIp
from tests.plans.conftest import ADDRESS, Send
from tests.support.control import BY, NOW

pytestmark = pytest.mark.django_db
MONDAY, TUESDAY, WEDNESDAY = date(2026, 2, 2), date(2026, 2, 3), date(2026, 2, 4)
MIDNIGHT = datetime(2026, 2, 3, tzinfo=UTC)
MORNING, NOON = MIDNIGHT + timedelta(minutes=2), MIDNIGHT + timedelta(hours=12)


def level_on(day: date, provider: str = "google") -> ProviderAllowance:
    return ProviderAllowance.objects.get(provider=provider, day=day)


def test_the_morning_after_a_clean_day_has_more_and_says_why(
    ip: SendingIp, send: Send, events_file: Path
) -> None:
    send(MONDAY, first_allowance())
    WarmUp(events_file).step(MORNING, MORNING)
    level = level_on(TUESDAY)
    known = Day(
        day=MONDAY,
        allowance=first_allowance(),
        offered=first_allowance(),
        attempted=first_allowance(),
        delivered=first_allowance(),
        deferred=0,
        blocked=0,
        hard_bounced=0,
        complaints=0,
        human_opens=0,
    )
    assert level.messages == next_allowance([known], 10_000).messages_per_day > first_allowance()
    assert level.reason["kind"] in {"growing", "feeling"}


def test_nothing_is_decided_before_the_day_before_is_whole(
    ip: SendingIp, send: Send, events_file: Path
) -> None:
    send(MONDAY, 100)
    warm_up = WarmUp(events_file)
    for recorded_until in (None, MIDNIGHT - timedelta(seconds=1), MIDNIGHT):
        warm_up.step(MORNING, recorded_until)
        assert not ProviderAllowance.objects.exists()
    warm_up.step(MORNING, MORNING)
    assert level_on(TUESDAY)


def test_a_second_clock_process_changes_nothing(
    ip: SendingIp, send: Send, events_file: Path
) -> None:
    send(MONDAY, 100)
    WarmUp(events_file).step(MORNING, MORNING)
    before, version = list(ProviderAllowance.objects.values()), policy.current_version()
    send(MONDAY, 500)  # what only the second one sees
    WarmUp(events_file).step(MORNING, MORNING)
    assert list(ProviderAllowance.objects.values()) == before
    assert policy.current_version() == version


def test_days_that_were_missed_make_no_rows_and_the_level_goes_on_from_what_was_sent(
    ip: SendingIp, send: Send, events_file: Path
) -> None:
    send(MONDAY, 100)
    WarmUp(events_file).step(MORNING, MORNING)
    at_level = level_on(TUESDAY).messages
    for day in (TUESDAY, WEDNESDAY):
        send(day, at_level)
    WarmUp(events_file).step(MORNING + timedelta(days=2), MORNING + timedelta(days=2))
    days = list(ProviderAllowance.objects.order_by("day").values_list("day", flat=True))
    assert days == [TUESDAY, date(2026, 2, 5)]
    assert level_on(date(2026, 2, 5)).messages > at_level


def test_a_provider_with_little_mail_makes_no_row(
    ip: SendingIp, send: Send, events_file: Path
) -> None:
    send(date(2026, 1, 30), 3, "tiny.example")
    WarmUp(events_file).step(MORNING, MORNING)
    assert not ProviderAllowance.objects.exists()


def test_after_thirty_idle_days_it_starts_again(
    ip: SendingIp, send: Send, events_file: Path
) -> None:
    for day in range(5):
        send(MONDAY + timedelta(days=day), 2_000)
    for later in (4, 34, 36, 38):
        now = MORNING + timedelta(days=later)
        WarmUp(events_file).step(now, now)
    first, *_, last = ProviderAllowance.objects.order_by("day")
    assert (first.day - MONDAY).days == 5
    assert first.messages > 1_000
    assert (last.day - MONDAY).days == 37  # and on the 39th day there is nothing new to say
    assert (last.messages, last.reason["kind"]) == (first_allowance(), "restarted")


def test_an_ip_that_sent_before_goes_on_where_it_was(
    ip: SendingIp, send: Send, events_file: Path
) -> None:
    for day in range(5):
        send(date(2026, 1, 29) + timedelta(days=day), 5_000)
    WarmUp(events_file).step(MORNING, MORNING)
    assert level_on(TUESDAY).messages > 4_000


def test_a_block_at_noon_stops_that_provider_alone_and_raises_one_alert(
    ip: SendingIp, send: Send, events_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """M3: the provider's allowance drops within minutes, reason written, the rest unhurt."""
    for provider in ("google", "yahoo"):
        send(MONDAY, 100, provider)
    warm_up = WarmUp(events_file)
    warm_up.step(MORNING, MORNING)
    send(TUESDAY, 40, "yahoo")
    send(TUESDAY, 40, "google")
    warm_up.step(NOON, NOON)
    send(TUESDAY, 10, "google", blocked=9)
    with caplog.at_level("INFO"):
        warm_up.step(NOON + timedelta(seconds=10), NOON)
        WarmUp(events_file).step(NOON + timedelta(seconds=11), NOON)  # another clock process
    google, yahoo = level_on(TUESDAY, "google"), level_on(TUESDAY, "yahoo")
    assert google.paused_until == MIDNIGHT + timedelta(days=1)
    assert google.pace_reason == {
        "kind": "stopped_by_block",
        "facts": {"blocked": 9, "attempted": 50},
    }
    assert (yahoo.paused_until, yahoo.messages_per_hour, yahoo.pace_reason) == (None, None, None)
    alert = Alert.objects.get()
    assert (alert.account_id, alert.kind) == (ip.account_id, AlertKind.PROVIDER_BLOCK)
    assert alert.facts["provider"] == "google"
    assert [text for text in caplog.messages if "reason=stopped_by_block" in text]
    in_policy = {one.provider: one for one in policy.build("b.example").pools[0].ips[0].allowances}
    assert in_policy["google"].paused_until > 0 == in_policy["yahoo"].paused_until


def test_one_block_is_told_when_little_else_was_tried(
    ip: SendingIp, send: Send, events_file: Path
) -> None:
    """The lane rests after the first, so that more may not come for hours."""
    warm_up = WarmUp(events_file)
    send(TUESDAY, 40, "google")
    warm_up.step(NOON, NOON)
    send(TUESDAY, 3, "google", blocked=1)
    warm_up.step(NOON + timedelta(seconds=10), NOON)
    assert not Alert.objects.exists()
    send(TUESDAY, 1, "google", blocked=1)
    warm_up.step(NOON + timedelta(seconds=20), NOON)
    alert = Alert.objects.get()
    assert (alert.facts["blocked"], alert.facts["attempted"]) == (2, 44)


def test_one_block_that_lets_the_ip_rest_stops_the_day_and_makes_the_next_small(
    ip: SendingIp, send: Send, events_file: Path
) -> None:
    """Pacing holds back what would have been blocked as well, so one has to do."""
    send(MONDAY, 300)
    warm_up = WarmUp(events_file)
    warm_up.step(MORNING, MORNING)
    send(TUESDAY, 200)
    warm_up.step(NOON, NOON)
    send(TUESDAY, 1, blocked=1, blocked_rests=1)
    warm_up.step(NOON + timedelta(seconds=10), NOON)
    assert level_on(TUESDAY).paused_until == MIDNIGHT + timedelta(days=1)
    assert Alert.objects.get().facts["blocked"] == 1
    warm_up.step(MORNING + timedelta(days=1), MORNING + timedelta(days=1))
    assert level_on(WEDNESDAY).messages < 0.2 * level_on(TUESDAY).messages
    assert level_on(WEDNESDAY).reason["kind"] == "blocked"


def test_a_refused_greeting_stops_the_day_is_told_and_ends_with_mail_that_is_taken(
    ip: SendingIp, send: Send, events_file: Path
) -> None:
    """Nothing was attempted: T-Online greets unknown IPs so, and many providers blocked ones."""
    warm_up = WarmUp(events_file)
    warm_up.step(MORNING, MORNING)
    send(TUESDAY, 0, "t-online", blocked_rests=1)
    warm_up.step(NOON, NOON)
    level = level_on(TUESDAY, "t-online")
    assert level.paused_until == MIDNIGHT + timedelta(days=1)
    assert level.pace_reason == {"kind": "stopped_at_greeting", "facts": {"rests": 1}}
    alert = Alert.objects.get()
    assert alert.facts["at_greeting"] == 1
    assert in_words(alert).startswith("t-online refuses connections from 192.0.2.1 before any mail")
    warm_up.step(MORNING + timedelta(days=1), MORNING + timedelta(days=1))
    wednesday = level_on(WEDNESDAY, "t-online")
    assert (wednesday.messages, wednesday.reason["kind"]) == (29, "at_greeting")
    send(WEDNESDAY, 29, "t-online")
    warm_up.step(MORNING + timedelta(days=2), MORNING + timedelta(days=2))
    assert Alert.objects.get().ended_at is not None
    assert level_on(date(2026, 2, 5), "t-online").messages > 29


def test_the_day_after_a_block_is_small_and_a_day_taken_ends_the_alert(
    ip: SendingIp, send: Send, events_file: Path
) -> None:
    send(MONDAY, 300)
    warm_up = WarmUp(events_file)
    warm_up.step(MORNING, MORNING)
    send(TUESDAY, 100, blocked=50)
    warm_up.step(NOON, NOON)
    warm_up.step(MORNING + timedelta(days=1), MORNING + timedelta(days=1))
    wednesday = level_on(WEDNESDAY)
    assert wednesday.messages < level_on(TUESDAY).messages
    assert wednesday.reason["kind"] == "blocked"
    assert Alert.objects.get().ended_at is None
    send(WEDNESDAY, wednesday.messages)
    warm_up.step(MORNING + timedelta(days=2), MORNING + timedelta(days=2))
    assert Alert.objects.get().ended_at == MORNING + timedelta(days=2)


def test_an_alert_ends_with_the_warm_up(ip: SendingIp, send: Send, events_file: Path) -> None:
    send(TUESDAY, 60, blocked=30)
    WarmUp(events_file).step(NOON, NOON)
    assert Alert.objects.get().ended_at is None
    actions.stop(ip.account_id, ADDRESS, by=BY, now=NOON)
    assert Alert.objects.get().ended_at == NOON


def test_a_block_on_the_first_day_pauses_the_first_allowance(
    ip: SendingIp, send: Send, events_file: Path
) -> None:
    warm_up = WarmUp(events_file)
    send(TUESDAY, 30, blocked=10)
    warm_up.step(NOON, NOON)
    level = level_on(TUESDAY)
    assert (level.messages, level.reason["kind"]) == (first_allowance(), "first_day")
    assert level.paused_until == MIDNIGHT + timedelta(days=1)


def test_a_refusal_of_a_small_host_is_no_alert(
    ip: SendingIp, send: Send, events_file: Path
) -> None:
    send(TUESDAY, 3, "kantor.example", blocked=2)
    WarmUp(events_file).step(NOON, NOON)
    assert level_on(TUESDAY, "kantor.example").paused_until is not None
    assert not Alert.objects.exists()


def test_a_look_without_new_refusals_waits_half_an_hour(
    ip: SendingIp, send: Send, events_file: Path, django_assert_num_queries: Any
) -> None:
    """A tick comes every few seconds: with nothing new it asks which IPs warm up, no more."""
    warm_up = WarmUp(events_file)
    warm_up.step(MORNING, MORNING)
    send(TUESDAY, 40)
    warm_up.step(NOON, NOON)
    send(TUESDAY, 400)  # taken, all of it
    with django_assert_num_queries(1):
        warm_up.step(NOON + timedelta(minutes=29), NOON)
    looks = dict(warm_up._looks)
    warm_up.step(NOON + timedelta(minutes=30), NOON)
    assert warm_up._looks != looks


def test_a_persons_number_holds_at_once_and_ends_the_pause(
    ip: SendingIp, send: Send, events_file: Path
) -> None:
    send(MONDAY, 100)
    warm_up = WarmUp(events_file)
    warm_up.step(MORNING, MORNING)
    send(TUESDAY, 60, blocked=9)
    warm_up.step(NOON, NOON)
    actions.override(
        ip.account_id, ADDRESS, "google", 500, "Gmail agreed on the phone.", days=2, by=BY, now=NOON
    )
    warm_up.step(NOON + timedelta(hours=1), NOON)
    today = level_on(TUESDAY)
    assert (today.messages, today.paused_until) == (500, None)
    assert (
        AuditEntry.objects.filter(action="override_warmup").get().detail["reason"].startswith("G")
    )
    send(TUESDAY, 440)
    warm_up.step(MORNING + timedelta(days=1), MORNING + timedelta(days=1))
    tomorrow = level_on(WEDNESDAY)
    assert (tomorrow.messages, tomorrow.reason["kind"]) == (500, "overridden")
    send(WEDNESDAY, 60, blocked=9)
    warm_up.step(NOON + timedelta(days=1), NOON + timedelta(days=1))
    assert level_on(WEDNESDAY).paused_until is not None  # nobody has seen these yet
    warm_up.step(MORNING + timedelta(days=2), MORNING + timedelta(days=2))
    assert level_on(date(2026, 2, 5)).reason["kind"] != "overridden"


def test_the_target_that_was_set_is_never_passed(
    ip: SendingIp, send: Send, events_file: Path
) -> None:
    actions.set_target(ip.account_id, ADDRESS, "gmail.com", 160, by=BY, now=NOW)
    send(MONDAY, 150)
    WarmUp(events_file).step(MORNING, MORNING)
    assert (level_on(TUESDAY).messages, level_on(TUESDAY).reason["kind"]) == (160, "target")


def test_a_static_route_is_a_provider_of_its_own(
    ip: SendingIp, send: Send, events_file: Path
) -> None:
    """The engine limits it like any other, so it has to grow like any other."""
    send(MONDAY, 100, "route:relay.example:25")
    WarmUp(events_file).step(NOON, NOON)
    assert level_on(TUESDAY, "route:relay.example:25").messages > first_allowance()
