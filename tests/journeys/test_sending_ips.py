"""Six dedicated IPs, really used: limits, pools, missing addresses (clause C1)."""

from __future__ import annotations

import concurrent.futures
import sqlite3

import pytest

from harness.customer import DOMAIN
from harness.service import CommandFailed, wait_until
from tests.journeys.conftest import Journey
from tests.support.http_calls import call, send, transmission

IPS = "/api/merpati/v1/sending-ips"


def add(journey: Journey, address: str, *options: str) -> None:
    journey.merpati.command(
        *("ip", "add", address, "--account", journey.customer.account_id),
        *("--hostname", f"mta-{address.rpartition('.')[2]}.{DOMAIN}", *options),
    )


def test_a_seventh_ip_is_refused_by_command_api_and_database(journey: Journey) -> None:
    for last in range(4, 8):
        add(journey, f"127.0.0.{last}")
    with pytest.raises(CommandFailed, match="six"):
        add(journey, "127.0.0.8")
    status, answer = call(
        *(journey.http, "POST", IPS),
        {"external_ip": "127.0.0.8", "hostname": f"mta-8.{DOMAIN}"},
        key=journey.customer.api_key,
    )
    assert status == 409
    assert "six" in answer["detail"]
    database = sqlite3.connect(journey.merpati.data / "control.sqlite3")
    columns = [row[1] for row in database.execute("PRAGMA table_info(sending_sendingip)")]
    row = dict(
        zip(columns, database.execute("SELECT * FROM sending_sendingip").fetchone(), strict=True)
    )
    row |= {"id": 99, "address": "127.0.0.8", "slot": 7}
    insert = f"INSERT INTO sending_sendingip VALUES ({','.join('?' * len(columns))})"
    with pytest.raises(sqlite3.IntegrityError):
        database.execute(insert, list(row.values()))
    with pytest.raises(sqlite3.IntegrityError):
        database.execute(insert, list((row | {"slot": 6}).values()))
    database.close()


def test_a_race_for_the_last_places_leaves_six(journey: Journey) -> None:
    def ask(last: int) -> int:
        body = {"external_ip": f"127.0.0.{last}", "hostname": f"mta-{last}.{DOMAIN}"}
        return call(journey.http, "POST", IPS, body, key=journey.customer.api_key)[0]

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        statuses = sorted(pool.map(ask, range(10, 22)))
    assert [s for s in statuses if s < 300] == statuses[:4]
    assert statuses[4:] == [409] * 8
    assert len(journey.merpati.command("ip", "list")["sending_ips"]) == 6


def test_an_address_missing_from_the_host_is_skipped_with_an_alert(journey: Journey) -> None:
    """T7: the mail leaves by the pool's other address."""
    add(journey, "192.0.2.77", "--pool", "mixed")
    journey.merpati.command("ip", "move", "127.0.0.3", "--pool", "mixed")
    body = transmission(*[f"u{n}@example.net" for n in range(20)])
    body["options"] = {"ip_pool": "mixed"}
    assert send(journey.http, journey.customer.api_key, body)[0] == 200
    wait_until(lambda: journey.balance()["delivered"] == 20, "all by the other address")
    sent_from = {e["sending_ip"] for e in deliveries(journey)}
    assert sent_from == {"127.0.0.3"}
    assert "192.0.2.77" in journey.merpati.log.read_text()


def test_mail_waits_rather_than_leave_from_another_address(journey: Journey) -> None:
    add(journey, "192.0.2.77", "--pool", "gone")
    body = transmission("a@example.net")
    body["options"] = {"ip_pool": "gone"}
    assert send(journey.http, journey.customer.api_key, body)[0] == 200

    def waits_for_a_reason() -> bool:
        queues = journey.merpati.command("queue")["queues"]
        return any("192.0.2.77" in q["reason"] for q in queues)

    wait_until(waits_for_a_reason, "the queue to say why")
    assert journey.sink.arrivals() == []
    assert journey.balance()["waiting"] == 1


def test_mail_of_a_removed_pool_is_rerouted(journey: Journey) -> None:
    """D11: never stuck."""
    add(journey, "192.0.2.77", "--pool", "gone")
    body = transmission("a@example.net")
    body["options"] = {"ip_pool": "gone"}
    key = journey.customer.api_key
    assert send(journey.http, key, body)[0] == 200
    journey.merpati.command("ip", "remove", "192.0.2.77")
    assert call(journey.http, "DELETE", "/api/v1/ip-pools/gone", key=key)[0] == 204
    wait_until(lambda: journey.balance()["delivered"] == 1, "the message by the default pool")


def test_mail_without_a_pool_uses_both_addresses(journey: Journey) -> None:
    body = transmission(*[f"u{n}@example.net" for n in range(200)])
    assert send(journey.http, journey.customer.api_key, body)[0] == 200
    wait_until(lambda: journey.balance()["delivered"] == 200, "all")
    assert {e["sending_ip"] for e in deliveries(journey)} == {"127.0.0.2", "127.0.0.3"}


def test_a_warming_ip_stays_below_its_daily_limit(journey: Journey) -> None:
    """The stage's 200 a day, then the mail waits; it never floods."""
    add(journey, "127.0.0.9", "--pool", "warm", "--warm-up")
    body = transmission(*[f"u{n}@example.net" for n in range(260)])
    body["options"] = {"ip_pool": "warm"}
    assert send(journey.http, journey.customer.api_key, body)[0] == 200

    def spent() -> bool:
        queues = journey.merpati.command("queue")["queues"]
        return any("allowance" in q["reason"] and not q["in_flight"] for q in queues)

    wait_until(spent, "the allowance to be spent")
    assert len(journey.sink.arrivals()) == 200
    assert journey.balance()["waiting"] == 60


def deliveries(journey: Journey) -> list[dict[str, str]]:
    return list(journey.merpati.command("events", "--type", "delivery")["events"])
