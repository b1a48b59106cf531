"""`/api/merpati/v1/campaigns/{id}/outlook`."""

from __future__ import annotations

from datetime import timedelta

from tests.api.conftest import NOW, CollectingSpool, Customer
from tests.api.test_scheduled_transmissions import HOUR, Storing, scheduled, store

__all__ = ["store"]  # a fixture
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
    assert found["sentence"].startswith("the last of 1 message leaves Mon 2 Mar 11:30 UTC")
    (part,) = found["parts"]
    assert (part["ip_pool"], part["provider"], part["held_by"]) == (
        *("default", "example.net", "schedule"),
    )
    strange = rival.call("GET", PATH.format("spring/1")).body["results"]
    assert (strange["waiting"], strange["parts"]) == (0, [])
