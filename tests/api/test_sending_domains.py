"""Sending domains over the API: SparkPost's shapes, verification by live DNS."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import CollectingSpool, Customer, transmission

DOMAINS = "/api/v1/sending-domains"


def test_a_domain_is_added_published_verified_and_sent_from(
    acme: Customer, zone: dict[str, list[str]], spool: CollectingSpool
) -> None:
    made = acme.call("POST", DOMAINS, {"domain": "Mail.Acme.example", "dkim": None}).body["results"]
    assert made["message"] == "Successfully Created domain."
    assert made["domain"] == "mail.acme.example"
    assert made["dkim"]["signing_domain"] == "mail.acme.example"
    sent = transmission(sender="a@mail.acme.example")
    assert acme.send(sent).error["code"] == "7001"
    path = f"{DOMAINS}/mail.acme.example"

    failed = acme.call("POST", f"{path}/verify", {"dkim_verify": True})
    assert failed.status == 200
    assert failed.body["results"]["dkim_status"] == "invalid"
    assert "publish" in failed.body["results"]["dns"]["dkim_error"]

    record = f"v=DKIM1; k=rsa; h=sha256; p={made['dkim']['public']}"
    zone[f"{made['dkim']['selector']}._domainkey.mail.acme.example"] = [record]
    verified = acme.call("POST", f"{path}/verify", {"dkim_verify": True}).body["results"]
    assert (verified["ownership_verified"], verified["dkim_status"]) == (True, "valid")
    assert verified["dns"] == {"dkim_record": record}
    assert acme.send(sent).status == 200

    shown = acme.call("GET", path).body["results"]
    assert "domain" not in shown
    assert "private" not in str(shown)
    assert shown["status"]["ownership_verified"] is True
    listed = acme.call("GET", DOMAINS).body["results"]
    assert [domain["domain"] for domain in listed] == ["acme.example", "mail.acme.example"]


def test_a_deleted_domain_may_be_sent_from_no_more(acme: Customer) -> None:
    answer = acme.call("DELETE", f"{DOMAINS}/Acme.example")
    assert (answer.status, answer.body) == (204, None)
    assert acme.call("GET", DOMAINS).body["results"] == []
    assert acme.send(transmission()).error["code"] == "7001"


def test_broken_dns_changes_nothing(acme: Customer) -> None:
    acme.call("POST", DOMAINS, {"domain": "broken.example"})
    answer = acme.call("POST", f"{DOMAINS}/broken.example/verify", {"dkim_verify": True})
    assert answer.status == 200
    assert answer.body["results"]["dkim_status"] == "unverified"
    assert "no server answers" in answer.body["results"]["dns"]["dkim_error"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "1400"),
        ({"domain": "localhost"}, 422, "1300"),
        ({"domain": "acme.example"}, 409, "1602"),
        ({"domain": "rival.example"}, 400, "7004"),
        ({"domain": "x.example", "tracking_domain": "t.example"}, 400, "1200"),
        ({"domain": "x.example", "dkim": {"private": "…"}}, 422, "1300"),
        ({"domain": "x.example", "dkim_key_length": 1024}, 422, "1300"),
    ],
)
def test_a_domain_is_refused_with_the_tabled_code(
    acme: Customer, rival: Customer, body: dict[str, Any], status: int, code: str
) -> None:
    answer = acme.call("POST", DOMAINS, body)
    assert (answer.status, answer.error["code"]) == (status, code)


@pytest.mark.parametrize("domain", ["rival.example", "nobody.example"])
def test_a_domain_of_nobody_or_of_another_account_is_404(
    acme: Customer, rival: Customer, domain: str
) -> None:
    for answer in (
        acme.call("GET", f"{DOMAINS}/{domain}"),
        acme.call("POST", f"{DOMAINS}/{domain}/verify", {"dkim_verify": True}),
        acme.call("DELETE", f"{DOMAINS}/{domain}"),
    ):
        assert (answer.status, answer.error["code"]) == (404, "1600")
        assert answer.error["message"] == f"Domain '{domain}' does not exist"
