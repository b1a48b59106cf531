"""`/api/merpati/v1/warmup`, `/engagement` and `/alerts`: an account's own, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from merpati.events.alerts import Kind, raise_alert
from merpati.plans.warmup import actions
from merpati.sending.sending_ips import add_sending_ip
from tests.api.conftest import NOW, Customer

WARMUP, ENGAGEMENT, ALERTS = (
    f"/api/merpati/v1/{name}" for name in ("warmup", "engagement", "alerts")
)
WHO: dict[str, Any] = {"by": "test:somebody", "now": NOW}


@pytest.fixture
def address(acme: Customer) -> str:
    add_sending_ip(acme.account_id, "192.0.2.77", "mta7.acme.example", **WHO)
    return "192.0.2.77"


def test_an_ip_is_started_shown_and_stopped(acme: Customer, address: str) -> None:
    path = f"{WARMUP}/{address}"
    wanted = {"way": "provider", "engaged_within_days": 30}
    shown = acme.call("PUT", path, wanted).body["results"]
    assert (shown["by_provider"], shown["by_stages"], shown["engaged_within_days"]) == (
        True,
        False,
        30,
    )
    actions.override(acme.account_id, address, "google", 500, "Agreed by phone.", **WHO)
    (google,) = acme.call("GET", path).body["results"]["providers"]
    assert (google["messages"], google["reason"]["kind"]) == (500, "overridden")
    assert google["override"] == {
        "messages": 500,
        "until": "2026-03-02",
        "reason": "Agreed by phone.",
    }  # not which of the operator's people
    assert acme.call("PUT", path, {"way": "none"}).body["results"]["by_provider"] is False


def test_a_target_is_set_and_guessed_again(acme: Customer, address: str) -> None:
    path = f"{WARMUP}/{address}/targets/gmail.com"
    answer = acme.call("PUT", path, {"target": 20_000})
    assert answer.body["results"] == {
        "external_ip": address,
        "provider": "google",
        "target": 20_000,
    }
    assert acme.call("PUT", path, {}).body["results"]["target"] is None


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("", {"way": "fast"}, "/way"),
        ("", {"way": "provider", "engaged_within_days": 0}, "/engaged_within_days"),
        ("/targets/nobody", {"target": 1}, "/provider"),
        ("/targets/google", {"target": -1}, "/target"),
    ],
)
def test_what_cannot_be_is_refused_by_field(
    acme: Customer, address: str, path: str, body: dict[str, Any], pointer: str
) -> None:
    answer = acme.call("PUT", f"{WARMUP}/{address}{path}", body)
    assert answer.status == 422
    assert answer.body["errors"][0]["pointer"] == pointer


def test_another_account_sees_none_of_it(acme: Customer, rival: Customer, address: str) -> None:
    for method, path, body in [
        ("GET", f"{WARMUP}/{address}", None),
        ("PUT", f"{WARMUP}/{address}", {"way": "none"}),
        ("PUT", f"{WARMUP}/{address}/targets/google", {"target": 5}),
    ]:
        assert rival.call(method, path, body).status == 404
    assert address not in str(rival.call("GET", WARMUP).body)


def test_engagement_is_recorded_counted_shown_and_forgotten(
    acme: Customer, rival: Customer
) -> None:
    body = {
        "recipients": [
            {"recipient": "Ani@x.example", "engaged_on": "2026-03-01"},
            {"recipient": "budi@x.example", "engaged_on": "2026-01-01"},
        ]
    }
    assert acme.call("PUT", ENGAGEMENT, body).body["results"] == {"recorded": 2}
    counts = acme.call("GET", ENGAGEMENT).body["results"]
    assert (counts["recipients"], counts["tier_1"], counts["tier_3"]) == (2, 1, 1)
    shown = acme.call("GET", f"{ENGAGEMENT}/ani@x.example").body["results"]
    assert shown == {"recipient": "ani@x.example", "engaged_on": "2026-03-01", "tier": 1}
    assert rival.call("GET", f"{ENGAGEMENT}/ani@x.example").status == 404
    assert rival.call("DELETE", f"{ENGAGEMENT}/ani@x.example").status == 404
    assert acme.call("DELETE", f"{ENGAGEMENT}/ani@x.example").status == 204
    assert acme.call("GET", f"{ENGAGEMENT}/ani@x.example").status == 404


def test_one_wrong_recipient_and_none_is_recorded(acme: Customer) -> None:
    body = {
        "recipients": [
            {"recipient": "ani@x.example", "engaged_on": "2026-03-01"},
            {"recipient": "budi", "engaged_on": "2026-03-01"},
            {"recipient": "cici@x.example", "engaged_on": "2027-03-01"},
        ]
    }
    answer = acme.call("PUT", ENGAGEMENT, body)
    assert answer.status == 422
    assert [error["pointer"] for error in answer.body["errors"]] == [
        "/recipients/1/recipient",
        "/recipients/2/engaged_on",
    ]
    assert acme.call("GET", ENGAGEMENT).body["results"]["recipients"] == 0
    assert acme.call("PUT", ENGAGEMENT, {"recipients": []}).status == 422


def test_alerts_are_the_accounts_and_are_seen_once(acme: Customer, rival: Customer) -> None:
    facts = {"sending_ip": "192.0.2.77", "provider": "google", "blocked": 9, "attempted": 50}
    alert = raise_alert(acme.account_id, Kind.PROVIDER_BLOCK, "192.0.2.77 google", facts, now=NOW)
    assert alert is not None
    assert rival.call("GET", ALERTS).body["results"] == []
    assert rival.call("POST", f"{ALERTS}/{alert.pk}/seen").status == 404
    assert acme.call("POST", f"{ALERTS}/{alert.pk}/seen").status == 204
    (shown,) = acme.call("GET", ALERTS).body["results"]
    assert (shown["kind"], shown["seen_at"] is None, shown["ended_at"]) == (
        "provider_block",
        False,
        None,
    )
    assert "google blocks mail from 192.0.2.77, and refused 9 of" in shown["text"]
