"""SparkPost's stages, followed once a day by its rules."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from merpati.events.models import Alert
from merpati.plans.warmup import actions
from merpati.plans.warmup.step import WarmUp
from merpati.sending.models import SendingIp
from tests.plans.conftest import ADDRESS, Send
from tests.support.control import BY

pytestmark = pytest.mark.django_db
STARTED = datetime(2026, 2, 3, 9, tzinfo=UTC)
TUESDAY = date(2026, 2, 3)


@pytest.fixture
def staged(ip: SendingIp) -> SendingIp:
    return actions.start(ip.account_id, ADDRESS, by_stages=True, by=BY, now=STARTED)


def morning(events_file: Path, days: int) -> SendingIp:
    now = STARTED + timedelta(days=days)
    WarmUp(events_file).step(now, now)
    return SendingIp.objects.get()


@pytest.mark.parametrize(
    ("to_gmail", "to_yahoo", "stage"),
    [
        pytest.param(100, 81, 2, id="over 90 % of 200, all providers together"),
        pytest.param(100, 80, 1, id="just 90 %"),
    ],
)
def test_a_day_that_filled_its_stage_leads_to_the_next(
    staged: SendingIp, send: Send, events_file: Path, to_gmail: int, to_yahoo: int, stage: int
) -> None:
    send(TUESDAY, to_gmail, "google")
    send(TUESDAY, to_yahoo, "yahoo")
    assert morning(events_file, 0).auto_warmup_stage == 1  # the day is not over
    assert morning(events_file, 1).auto_warmup_stage == stage
    assert morning(events_file, 1).auto_warmup_stage == stage  # a second clock process


def test_a_stage_goes_up_by_one_a_day_however_much_was_sent(
    staged: SendingIp, send: Send, events_file: Path
) -> None:
    send(TUESDAY, 200)
    send(TUESDAY + timedelta(days=1), 500)
    assert morning(events_file, 2).auto_warmup_stage == 2


@pytest.mark.parametrize(
    ("engaged_within_days", "is_enabled"), [pytest.param(None, False), pytest.param(30, True)]
)
def test_ten_days_without_a_step_end_it_but_not_with_an_engagement_age(
    staged: SendingIp,
    send: Send,
    events_file: Path,
    engaged_within_days: int | None,
    is_enabled: bool,
) -> None:
    SendingIp.objects.update(engaged_within_days=engaged_within_days)
    send(TUESDAY, 200)
    assert morning(events_file, 1).auto_warmup_stage == 2
    for day in range(2, 12):
        assert morning(events_file, day).auto_warmup_enabled
    found = morning(events_file, 12)
    assert (found.auto_warmup_enabled, found.auto_warmup_stage) == (is_enabled, 2)
    assert Alert.objects.filter(kind="warmup_stalled").exists() is not is_enabled


def test_stage_1_waits_for_ever(staged: SendingIp, events_file: Path) -> None:
    assert morning(events_file, 40).auto_warmup_enabled


def test_an_ip_from_before_the_day_was_kept_counts_from_the_first_look(
    staged: SendingIp, send: Send, events_file: Path
) -> None:
    SendingIp.objects.update(auto_warmup_stage_on=None)
    send(TUESDAY, 200)
    assert morning(events_file, 1).auto_warmup_stage == 1
    send(TUESDAY + timedelta(days=1), 200)
    assert morning(events_file, 2).auto_warmup_stage == 2
