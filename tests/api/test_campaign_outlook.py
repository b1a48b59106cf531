"""`/api/merpati/v1/campaigns/{id}/outlook`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from django.utils import translation
from pytest_django import DjangoAssertNumQueries

from merpati.api import services
from merpati.events.campaign_outlook import Outlooks
from merpati.sending.policy import build
from tests.api.conftest import NOW, CollectingSpool, Customer
from tests.api.test_scheduled_transmissions import HOUR, Storing, scheduled, store

__all__ = ["store"]  # a fixture
LIST = "/api/merpati/v1/campaigns"
QUERIES = 2  # the account, and whether anything changed
PATH = "/api/merpati/v1/campaigns/{}/outlook"


def test_an_account_sees_when_its_campaign_is_done(
    acme: Customer, rival: Customer, spool: CollectingSpool, store: Storing
) -> None:
    assert acme.send(scheduled(2 * HOUR, campaign_id="spring/1")).status == 200
    store.all()
    answer = acme.call("GET", PATH.format("spring/1"))
    assert answer.status == 200
    found = answer.body["results"]
    last_at = (NOW + timedelta(hours=2)).isoformat()
    assert (found["waiting"], found["last_at"]) == (1, last_at)
    assert found["sentence"].startswith("1 message leaves Mon 2 Mar 11:30 UTC; ")
    assert found["earliest_at"] == last_at
    (part,) = found["parts"]
    assert (part["ip_pool"], part["provider"], part["held_by"]) == (
        *("default", "example.net", "schedule"),
    )
    strange = rival.call("GET", PATH.format("spring/1")).body["results"]
    assert (strange["waiting"], strange["parts"]) == (0, [])


def test_it_lists_the_campaigns_of_which_mail_waits(
    acme: Customer,
    rival: Customer,
    spool: CollectingSpool,
    store: Storing,
    tmp_path: Path,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """In English whatever language a page left behind in this thread."""
    for name in ("spring", "autumn"):
        assert acme.send(scheduled(HOUR, campaign_id=name)).status == 200
    assert acme.send(scheduled(3 * HOUR)).status == 200
    store.all()
    policy = build("bounces.example")  # read from a file in earnest
    outlooks = Outlooks(tmp_path / "spool", lambda: policy)
    services.use(replace(services.services(), outlooks=outlooks))
    acme.call("GET", LIST)
    with django_assert_num_queries(QUERIES), translation.override("id"):
        found = acme.call("GET", LIST).body["results"]
    assert [one["campaign_id"] for one in found] == ["", "autumn", "spring"]
    assert found[0]["sentence"].startswith("1 message leaves")
    assert "parts" not in found[0]
    assert rival.call("GET", LIST).body["results"] == []
