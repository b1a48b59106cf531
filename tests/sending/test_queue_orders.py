from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from merpati.accounts.models import AuditEntry
from merpati.sending import policy
from merpati.sending.errors import InvalidValue, PoolNotFound, SendingIpNotFound
from merpati.sending.models import QueueOrder
from merpati.sending.queue_orders import (
    Subject,
    end_orders,
    give_order,
    orders_in_force,
    parse_duration,
    provider_id,
    subject_of,
    unknown_provider,
)
from merpati.sending.sending_ips import add_sending_ip
from tests.support.control import BY, NOW, make_account

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
GMAIL = Subject(provider="google")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ""),
        ("google", "google"),
        ("Gmail.com", "google"),
        ("mx-farm.example", "mx-farm.example"),
        ("route:127.0.0.1:2526", "route:127.0.0.1:2526"),
    ],
)
def test_a_provider_is_found_as_people_name_it(text: str, found: str) -> None:
    assert provider_id(text) == found


def test_a_slip_in_a_provider_s_name_is_no_order_for_nobody() -> None:
    with pytest.raises(InvalidValue, match="did you mean 'google'"):
        provider_id("gogle")


def test_of_a_domain_that_nobody_knows_the_nearest_names_are_said() -> None:
    assert "Did you mean gmail.com" in unknown_provider(provider_id("gmial.com"))


@pytest.mark.parametrize("text", ["", "google", "gmail.com", "route:127.0.0.1:2526"])
def test_of_a_known_provider_there_is_no_doubt(text: str) -> None:
    assert unknown_provider(provider_id(text)) == ""


@pytest.mark.parametrize(("text", "minutes"), [("30min", 30), ("2h", 120), ("1d", 1_440)])
def test_a_duration_is_read(text: str, minutes: int) -> None:
    assert parse_duration(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "2", "h", "0h", "-1h", "8d", "1.5h", "for ever"])
def test_what_never_ends_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_duration(text)


def test_an_order_is_in_the_policy_until_it_is_ended() -> None:
    before = policy.current_version()
    give_order(GMAIL, NOW + HOUR, "spam rate", by=BY, now=NOW)
    assert policy.current_version() > before
    (told,) = policy.build("b.example").orders
    assert (told.provider, told.reason, told.by) == ("google", "spam rate", BY)
    assert told.until == int((NOW + HOUR).timestamp() * 1000)
    (ended,) = end_orders(GMAIL, by=BY, now=NOW, by_account=False)
    assert ended.reason == "spam rate"
    assert policy.build("b.example").orders == []
    entries = AuditEntry.objects.filter(subject="google").order_by("id")
    assert [entry.action for entry in entries] == ["pause_queue", "resume_queue"]
    assert entries[0].detail["reason"] == "spam rate"


def test_an_order_that_is_over_counts_nowhere_and_goes() -> None:
    give_order(GMAIL, NOW + HOUR, "", by=BY, now=NOW)
    assert not orders_in_force(NOW + HOUR)
    assert end_orders(GMAIL, by=BY, now=NOW + HOUR, by_account=False) == []
    give_order(Subject(provider="yahoo"), NOW + 2 * HOUR, "", by=BY, now=NOW + HOUR)
    assert [one.provider for one in QueueOrder.objects.all()] == ["yahoo"]


def test_a_new_order_takes_the_place_of_the_same_subject_s() -> None:
    give_order(GMAIL, NOW + HOUR, "first", by=BY, now=NOW)
    give_order(GMAIL, NOW + 2 * HOUR, "second", by=BY, now=NOW)
    assert [one.reason for one in orders_in_force(NOW)] == ["second"]


def test_ending_reaches_what_lies_within_and_nothing_else() -> None:
    account = make_account()
    mine = Subject(account.pk, provider="google")
    give_order(mine, NOW + HOUR, "", by=BY, now=NOW)
    give_order(Subject(provider="yahoo"), NOW + HOUR, "", by=BY, now=NOW)
    wrong = Subject(account.pk, provider="yahoo")
    assert end_orders(wrong, by=BY, now=NOW, by_account=False) == []
    assert len(end_orders(Subject(account.pk), by=BY, now=NOW, by_account=False)) == 1
    assert [one.provider for one in orders_in_force(NOW)] == ["yahoo"]


@pytest.mark.parametrize("span", [timedelta(0), -HOUR, timedelta(days=8)])
def test_an_order_ends_within_a_week(span: timedelta) -> None:
    with pytest.raises(InvalidValue):
        give_order(GMAIL, NOW + span, "", by=BY, now=NOW)


def test_the_database_holds_no_order_without_an_end_either() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        QueueOrder.objects.create(by=BY, created_at=NOW, until_at=NOW)


def test_a_subject_names_only_what_exists() -> None:
    account = make_account()
    with pytest.raises(PoolNotFound):
        subject_of(account.pk, "nowhere", None, None)
    with pytest.raises(InvalidValue, match="with its account"):
        subject_of(None, "default", None, None)
    with pytest.raises(SendingIpNotFound):
        subject_of(None, None, None, "192.0.2.99")
    add_sending_ip(account.pk, "192.0.2.10", "mta.kirim.example", by=BY, now=NOW)
    found = subject_of(None, None, None, "192.0.2.10")
    assert found == Subject(account.pk, sending_ip="192.0.2.10")
    other = make_account()
    with pytest.raises(SendingIpNotFound):
        subject_of(other.pk, None, None, "192.0.2.10")
