"""Commands work while Merpati runs; the running processes follow within two seconds."""

from __future__ import annotations

from pathlib import Path

from harness.service import wait_until
from tests.journeys.conftest import Journey
from tests.support.http_calls import call, send, transmission
from tests.support.sink import sink

FOLLOWED_WITHIN = 2.0  # seconds, the word


def test_a_new_key_works_and_a_revoked_one_stops(journey: Journey) -> None:
    created = journey.merpati.command(
        "key", "create", "--account", journey.customer.account_id, "--label", "second"
    )
    key, body = created["api_key"], transmission("a@example.net")

    def status() -> int:
        return send(journey.http, key, body)[0]

    wait_until(lambda: status() == 200, "the new key", FOLLOWED_WITHIN)
    journey.merpati.command("key", "revoke", str(created["key_id"]))
    wait_until(lambda: status() == 401, "the revocation", FOLLOWED_WITHIN)


def test_a_new_route_is_followed(journey: Journey, tmp_path: Path) -> None:
    key = journey.customer.api_key
    assert send(journey.http, key, transmission("first@moved.example"))[0] == 200
    wait_until(journey.sink.recipients, "the message by the old route")
    folder = tmp_path / "second"
    folder.mkdir()
    with sink(folder) as second:
        journey.merpati.command("route", "add", "moved.example", f"127.0.0.1:{second.port}")

        def a_message_came() -> list[str]:
            assert send(journey.http, key, transmission("next@moved.example"))[0] == 200
            return second.recipients()

        wait_until(a_message_came, "a message by the new route", FOLLOWED_WITHIN)


def test_a_new_domain_is_followed(journey: Journey) -> None:
    key, account = journey.customer.api_key, journey.customer.account_id
    body = transmission("a@example.net", **{"from": "halo@baru.example"})
    assert send(journey.http, key, body)[0] == 400
    journey.merpati.command(
        *("domain", "add", "baru.example", "--account", account, "--assume-verified")
    )
    wait_until(lambda: send(journey.http, key, body)[0] == 200, "the domain", FOLLOWED_WITHIN)
    wait_until(journey.sink.recipients, "its mail, with its signature")


def test_ips_that_came_moved_and_went_are_followed(journey: Journey) -> None:
    account, command = journey.customer.account_id, journey.merpati.command
    command("ip", "add", "127.0.0.9", "--account", account, "--hostname", "mta-9.kirim.example")
    call(journey.http, "POST", "/api/v1/ip-pools", {"name": "other"}, key=journey.customer.api_key)
    command("ip", "move", "127.0.0.2", "--pool", "other")
    command("ip", "remove", "127.0.0.3")
    recipients = [f"u{n}@example.net" for n in range(20)]
    status, _ = send(journey.http, journey.customer.api_key, transmission(*recipients))
    assert status == 200
    wait_until(lambda: journey.balance()["delivered"] == len(recipients), "all mail")
    deliveries = command("events", "--type", "delivery")["events"]
    assert {event["sending_ip"] for event in deliveries} == {"127.0.0.9"}


def test_commands_work_while_merpati_is_stopped(journey: Journey) -> None:
    journey.merpati.stop()
    journey.merpati.command(
        *("ip", "add", "127.0.0.5", "--account", journey.customer.account_id),
        *("--hostname", "mta-5.kirim.example"),
    )
    assert journey.merpati.command("queue")["queues"] == []
    assert journey.merpati.command("accounts", "balance")["rows"] == []
    journey.merpati.start()
    addresses = {ip["external_ip"] for ip in journey.merpati.command("ip", "list")["sending_ips"]}
    assert addresses == {"127.0.0.2", "127.0.0.3", "127.0.0.5"}
