"""Sending IPs and pools: SparkPost's calls and texts, our own for adding, six at most."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Customer

OWN = "/api/merpati/v1/sending-ips"
IPS = "/api/v1/sending-ips"
POOLS = "/api/v1/ip-pools"


def add(customer: Customer, last: int, **more: Any) -> Any:
    body = {"external_ip": f"127.0.1.{last}", "hostname": f"mta-{last}.acme.example"}
    return customer.call("POST", OWN, body | more)


def test_an_ip_is_added_in_the_lowest_free_slot(acme: Customer) -> None:
    answer = add(acme, 9, auto_warmup_enabled=True)
    assert answer.status == 201
    added = answer.body["results"]
    assert added["slot"] == 2
    assert (added["external_ip"], added["hostname"]) == ("127.0.1.9", "mta-9.acme.example")
    assert (added["ip_pool"], added["auto_warmup_stage"]) == ("default", 1)
    listed = acme.call("GET", OWN).body
    assert (listed["total_count"], listed["limit"]) == (2, 6)
    assert listed["results"][1] == added


def test_the_seventh_sending_ip_is_refused(acme: Customer) -> None:
    """Clause C1: the refusal says the limit and what to do."""
    assert [add(acme, n).status for n in range(5)] == [201] * 5
    answer = add(acme, 5)
    assert answer.status == 409
    assert answer.body["type"].endswith("/sending-ip-limit-reached")
    assert "limit" in answer.body["detail"]
    assert "Remove one" in answer.body["detail"]
    assert acme.call("GET", OWN).body["total_count"] == 6


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"external_ip": "1.2.3", "hostname": "a.example"}, 422, "/external_ip"),
        ({"external_ip": "127.0.1.1", "hostname": "a b"}, 422, "/hostname"),
        ({"external_ip": "127.0.1.1", "hostname": "a.example", "ip_pool": "x"}, 422, "/ip_pool"),
        ({"external_ip": "127.0.0.3", "hostname": "a.example"}, 409, None),
    ],
)
def test_an_unusable_ip_is_refused_naming_the_field(
    acme: Customer, rival: Customer, body: dict[str, str], status: int, pointer: str | None
) -> None:
    answer = acme.call("POST", OWN, body)
    assert answer.status == status
    pointers = [error["pointer"] for error in answer.body.get("errors", [])]
    assert pointers == ([pointer] if pointer else [])


def test_sending_ips_are_shown_as_sparkpost_does(acme: Customer) -> None:
    add(acme, 1, auto_warmup_enabled=True)
    warm = {
        "external_ip": "127.0.0.2",
        "hostname": "mta.acme.example",
        "ip_pool": "default",
        "customer_provided": False,
        "auto_warmup_enabled": False,
    }
    assert acme.call("GET", f"{IPS}/127.0.0.2").body == {"results": warm}
    first, second = acme.call("GET", IPS).body["results"]
    assert first == warm
    assert (second["auto_warmup_enabled"], second["auto_warmup_stage"]) == (True, 1)


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_an_ip_of_nobody_or_of_another_account_is_404(
    acme: Customer, rival: Customer, method: str
) -> None:
    for address in ("127.0.0.3", "10.0.0.1"):
        answer = acme.call(method, f"{IPS}/{address}", {} if method == "PUT" else None)
        assert answer.status == 404
        assert answer.error["message"] == "Sending IP does not exist"
    answer = acme.call(method, f"{IPS}/nonsense", {} if method == "PUT" else None)
    assert answer.status == 400
    assert answer.error["message"] == "external ip must be a valid IPv4 address"


def test_an_ip_moves_and_its_warm_up_steps_back(acme: Customer) -> None:
    acme.call("POST", POOLS, {"name": "Bulk"})
    answer = acme.call(
        "PUT",
        f"{IPS}/127.0.0.2",
        {"ip_pool": "bulk", "auto_warmup_enabled": True, "auto_warmup_stage": 5},
    )
    assert answer.body == {"results": {"message": "Updated Sending IP."}}
    shown = acme.call("GET", f"{IPS}/127.0.0.2").body["results"]
    assert (shown["ip_pool"], shown["auto_warmup_stage"]) == ("bulk", 5)
    for wanted, text in (
        ({"auto_warmup_stage": 30}, "auto_warmup_stage must be between 1 and 29"),
        ({"auto_warmup_stage": 6}, "must be less than or equal to 5"),
        (
            {"auto_warmup_enabled": False, "auto_warmup_stage": 2},
            "auto_warmup_enabled must be true to update auto_warmup_stage",
        ),
    ):
        refused = acme.call("PUT", f"{IPS}/127.0.0.2", wanted)
        assert refused.status == 400
        assert text in refused.error["message"]
    half = acme.call("PUT", f"{IPS}/127.0.0.2", {"auto_warmup_stage": 1.5})
    assert half.error["description"] == "auto_warmup_stage must be integer, not number"
    unknown = acme.call("PUT", f"{IPS}/127.0.0.2", {"ip_pool": "nope"})
    assert (unknown.status, unknown.error["code"]) == (422, "1603")


def test_a_pool_lives_from_creation_to_deletion(acme: Customer) -> None:
    made = acme.call("POST", POOLS, {"name": "Marketing IP Pool", "signing_domain": None})
    assert made.body == {"results": {"id": "marketing_ip_pool"}}
    acme.call("PUT", f"{IPS}/127.0.0.2", {"ip_pool": "marketing_ip_pool"})
    shown = acme.call("GET", f"{POOLS}/Marketing_IP_Pool").body["results"]
    assert shown == {
        "id": "marketing_ip_pool",
        "name": "Marketing IP Pool",
        "signing_domain": "",
        "fbl_signing_domain": "",
        "ips": [
            {
                "external_ip": "127.0.0.2",
                "hostname": "mta.acme.example",
                "auto_warmup_enabled": False,
            }
        ],
        "auto_warmup_overflow_pool": "",
    }
    assert [pool["id"] for pool in acme.call("GET", POOLS).body["results"]] == [
        "default",
        "marketing_ip_pool",
    ]
    changed = acme.call("PUT", f"{POOLS}/marketing_ip_pool", {"name": "Bulk"})
    assert (changed.body["results"]["id"], changed.body["results"]["name"]) == (
        "marketing_ip_pool",
        "Bulk",
    )
    deleted = acme.call("DELETE", f"{POOLS}/marketing_ip_pool")
    assert (deleted.status, deleted.body) == (204, None)
    assert acme.call("GET", f"{IPS}/127.0.0.2").body["results"]["ip_pool"] == "default"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "/nope", None, 404, "IP pool not found."),
        ("GET", "/secret", None, 404, "IP pool not found."),
        ("PUT", "/nope", {"name": "x"}, 404, "IP pool not found."),
        ("PUT", "/secret", {"name": "x"}, 404, "IP pool not found."),
        ("DELETE", "/nope", None, 404, "IP Pool nope does not exist."),
        ("DELETE", "/secret", None, 404, "IP Pool secret does not exist."),
        ("DELETE", "/default", None, 400, "IP Pool default is reserved."),
        (
            *("PUT", "/default", {"name": "x"}, 400),
            "IP Pool default is reserved and cannot be updated.",
        ),
        ("PUT", "/nope", {"signing_domain": ""}, 422, "required field is missing"),
        ("POST", "", {"name": "Default"}, 409, "IP Pool default already exists."),
        (
            *("POST", "", {"name": "x", "auto_warmup_overflow_pool": "y"}, 400),
            "Auto Warmup Overflow Pool y does not exist.",
        ),
    ],
)
def test_a_call_on_a_pool_is_refused_with_sparkposts_text(
    acme: Customer,
    rival: Customer,
    method: str,
    path: str,
    body: Any,
    status: int,
    message: str,
) -> None:
    """`secret` is another account's."""
    assert rival.call("POST", POOLS, {"name": "secret"}).status == 200
    answer = acme.call(method, f"{POOLS}{path}", body)
    assert (answer.status, answer.error["message"]) == (status, message)
    assert rival.call("GET", f"{POOLS}/secret").status == 200


def test_reading_takes_the_same_queries_for_one_ip_and_for_six(
    acme: Customer, django_assert_num_queries: Any
) -> None:
    for n in range(5):
        add(acme, n)
    acme.call("GET", IPS)
    from merpati.api import services  # noqa: PLC0415

    services.services().directory._next_look = float("inf")
    for path, queries in ((IPS, 1), (POOLS, 2), (OWN, 1)):
        with django_assert_num_queries(queries):
            assert acme.call("GET", path).status == 200
