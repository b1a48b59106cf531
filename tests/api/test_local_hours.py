"""POST /api/v1/transmissions: each recipient at their own hour."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from merpati.accounts.models import ServiceTimeZone
from merpati.contracts.batch import LocalHours
from merpati.desk.models import ZoneCalendar
from tests.api.conftest import NOW, CollectingSpool, Customer, transmission
from tests.api.test_transmissions import injection_of, recipients_of


def local(*recipients: dict[str, Any], **options: Any) -> dict[str, Any]:
    return transmission(*recipients) | {"options": {"local_time": options}}


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def test_each_recipient_is_due_at_their_own_hour(acme: Customer, spool: CollectingSpool) -> None:
    """Z1: a zone that is unknown gets the stated fallback, and the answer says so."""
    answer = acme.send(
        local(
            {"address": "sari@x.example", "time_zone": "Asia/Jakarta"},
            {"address": "tom@x.example", "time_zone": "America/New_York"},
            {"address": "mars@x.example", "time_zone": "Mars/Base"},
            {"address": "ann@x.example"},
            at="09:30",
            time_zone="Europe/Berlin",
        )
    )
    assert answer.status == 200
    batch = spool.last
    assert [row.due_at for row in batch.messages] == [
        ms("2026-03-03T09:30+07:00"),
        ms("2026-03-02T09:30-05:00"),
        ms("2026-03-03T09:30+01:00"),
        ms("2026-03-03T09:30+01:00"),
    ]
    assert answer.body["results"]["local_time"] == {
        "first_at": "2026-03-02T14:30:00+00:00",
        "last_at": "2026-03-03T08:30:00+00:00",
        "time_zone": "Europe/Berlin",
        "recipients_without": [
            {"time_zone": "Mars/Base", "recipients": 1},
            {"time_zone": None, "recipients": 1},
        ],
    }
    # It is shown as scheduled until the first leaves.
    assert batch.starts_at == batch.injected_at + 1 == int(NOW.timestamp() * 1000) + 1
    assert injection_of(batch).starts_at == ms("2026-03-02T14:30Z")
    assert [one.time_zone for one in recipients_of(batch)] == [
        *("Asia/Jakarta", "America/New_York", "Europe/Berlin", "Europe/Berlin")
    ]
    assert {one.hours for one in recipients_of(batch)} == {LocalHours(at=570)}


def test_holidays_are_those_of_each_recipients_country(
    acme: Customer, spool: CollectingSpool
) -> None:
    """On 3 March Bulgaria is free; who lives in a zone of no country is mailed on all days."""
    answer = acme.send(
        local(
            {"address": "ivan@x.example", "time_zone": "Europe/Sofia"},
            {"address": "tom@x.example", "time_zone": "America/New_York"},
            {"address": "ship@x.example", "time_zone": "UTC"},
            {"address": "old@x.example", "time_zone": "US/Pacific"},
            at="09:00",
            holidays="recipient",
        )
    )
    assert [row.due_at for row in spool.last.messages] == [
        ms("2026-03-04T09:00+02:00"),
        ms("2026-03-02T09:00-05:00"),
        ms("2026-03-03T09:00Z"),
        ms("2026-03-02T09:00-08:00"),
    ]
    hours = [one.hours.holidays for one in recipients_of(spool.last) if one.hours]
    assert hours == ["BG", "US", "", ""]
    assert answer.body["results"]["local_time"]["recipients_without_holidays"] == [
        {"time_zone": "UTC", "recipients": 1},
        {"time_zone": "US/Pacific", "recipients": 1},
    ]


def test_holidays_of_one_country_hold_for_all(acme: Customer, spool: CollectingSpool) -> None:
    body = local({"address": "tom@x.example", "time_zone": "America/New_York"}, holidays="bg")
    body["options"]["start_time"] = "2026-03-03T13:00:00Z"
    answer = acme.send(body)
    assert spool.last.messages[0].due_at == ms("2026-03-04T00:00-05:00")
    assert "recipients_without_holidays" not in answer.body["results"]["local_time"]


def test_without_a_zone_of_its_own_the_accounts_service_time_zone_counts(
    acme: Customer, spool: CollectingSpool
) -> None:
    answer = acme.send(local(quiet_hours={"from": "9:00", "to": "10:15"}, days=["Mon", "tue"]))
    assert answer.body["results"]["local_time"]["time_zone"] == "Europe/London"
    assert spool.last.messages[0].due_at == ms("2026-03-02T10:15Z")
    assert recipients_of(spool.last)[0].hours == LocalHours(None, 540, 615, (0, 1))


def test_hours_count_from_the_start_time_and_retries_of_transactional_mail_are_free(
    acme: Customer, spool: CollectingSpool
) -> None:
    body = local({"address": "a@x.example", "time_zone": "Asia/Jakarta"}, at="09:30")
    body["options"] |= {"start_time": "2026-03-04T00:00:00Z", "transactional": True}
    assert acme.send(body).status == 200
    assert spool.last.messages[0].due_at == ms("2026-03-04T09:30+07:00")
    assert spool.last.starts_at == ms("2026-03-04T00:00Z")
    hours = recipients_of(spool.last)[0].hours
    assert hours is not None
    assert not hours.is_kept


def test_a_time_zone_alone_changes_nothing(acme: Customer, spool: CollectingSpool) -> None:
    assert acme.send(transmission({"address": "a@x.example", "time_zone": "x"})).status == 200
    assert spool.last.messages[0].due_at == spool.last.injected_at


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        ({}, "1400", "options.local_time needs at, quiet_hours, days or holidays"),
        ({"holidays": "XX"}, "1300", "options.local_time.holidays: no holidays are known of 'XX'"),
        ({"holidays": "ID-CA"}, "1300", "options.local_time.holidays: no holidays are known of"),
        ({"holidays": ""}, "1300", "options.local_time.holidays: no holidays are known of"),
        ({"holidays": ["ID"]}, "1300", "options.local_time.holidays must be string"),
        ({"at": "25:00"}, "1300", "options.local_time.at must be HH:MM"),
        ({"at": "9.30"}, "1300", "options.local_time.at must be HH:MM"),
        ({"at": 930}, "1300", "options.local_time.at must be string"),
        ({"quiet_hours": {"from": "21:00"}}, "1400", "options.local_time.quiet_hours.to is a req"),
        ({"quiet_hours": {"from": "8:00", "to": "08:00"}}, "1300", "quiet_hours: from and to must"),
        ({"quiet_hours": "night"}, "1300", "options.local_time.quiet_hours must be object"),
        (
            {"at": "22:00", "quiet_hours": {"from": "21:00", "to": "08:00"}},
            "1300",
            "options.local_time.at lies within the quiet_hours",
        ),
        ({"days": []}, "1300", "options.local_time.days must be some of mon, tue"),
        ({"days": ["someday"]}, "1300", "options.local_time.days must be some of mon, tue"),
        ({"at": "09:30", "time_zone": "Mars/Base"}, "1300", "local_time.time_zone: there is no"),
        ({"at": "09:30", "time_zone": "../etc/passwd"}, "1300", "local_time.time_zone: there is"),
        ({"at": "09:30", "time_zone": "Europe"}, "1300", "local_time.time_zone: there is no"),
    ],
)
def test_what_is_wrong_with_the_hours_is_named(
    acme: Customer, spool: CollectingSpool, options: dict[str, Any], code: str, says: str
) -> None:
    answer = acme.send(local({"address": "a@x.example"}, **options))
    assert (answer.status, answer.error["code"]) == (422, code)
    assert says in answer.error["description"]
    assert spool.batches == []


def test_a_zone_that_is_no_name_rejects_its_recipient_alone(acme: Customer) -> None:
    answer = acme.send(
        local(
            {"address": "a@x.example", "time_zone": "x" * 65}, {"address": "b@x.example"}, at="9:30"
        )
    )
    assert answer.body["results"]["total_accepted_recipients"] == 1
    assert "time_zone has more than 64" in str(answer.body["results"]["rcpt_to_errors"])


@pytest.mark.django_db
def test_service_time_zones_are_the_desks() -> None:
    zones = ZoneCalendar.objects.values_list("zone_id", "iana")
    assert {one.value: one.iana for one in ServiceTimeZone} == dict(zones)
