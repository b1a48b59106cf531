"""Commands work while Merpati runs; the running processes follow within two seconds."""

from __future__ import annotations

from harness.service import wait_until
from tests.journeys.conftest import Journey
from tests.support.http_calls import send, transmission

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


def test_a_removed_route_holds_mail_and_a_new_one_frees_it(journey: Journey) -> None:
    journey.merpati.command("route", "remove", "*")
    journey.merpati.command("route", "add", "held.example", "127.0.0.1:1")
    body = transmission("a@held.example")
    assert send(journey.http, journey.customer.api_key, body)[0] == 200
    wait_until(
        lambda: any(q["reason"] for q in journey.merpati.command("queue")["queues"]),
        "the queue to say why it waits",
    )
    journey.merpati.command("route", "remove", "held.example")
    journey.merpati.command("route", "add", "held.example", f"127.0.0.1:{journey.sink.port}")
    wait_until(journey.sink.recipients, "the message by the new route")


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
