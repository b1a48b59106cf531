"""Kills, full disks and stops under load: what was answered 2xx arrives, and the books balance."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.verdict import judge
from harness.service import is_alive, wait_until
from tests.journeys.conftest import Journey
from tests.support.http_calls import send, transmission


def some(count: int) -> list[str]:
    return [f"user{n}@example.net" for n in range(count)]


def test_killed_right_after_200_the_message_is_delivered_once(journey: Journey) -> None:
    """D1."""
    status, _ = send(journey.http, journey.customer.api_key, transmission("a@example.net"))
    journey.merpati.kill()
    assert status == 200
    journey.merpati.start()
    wait_until(journey.sink.recipients, "the message")
    wait_until(lambda: journey.balance()["delivered"] == 1, "its record")
    assert set(journey.sink.recipients()) == {"a@example.net"}
    assert len({a.message_id for a in journey.sink.arrivals()}) == 1


@pytest.mark.timeout(310)
def test_rounds_of_kills_lose_nothing() -> None:
    """D2, D4, D12, F3: `make chaos`, small, with a sink that also defers and rejects."""
    done = subprocess.run(
        [sys.executable, "-m", "chaos", "--rounds", "4", "--defer", "30", "--reject", "2"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["lost"] == 0
    assert report["promised"] == report["balance_delivered"] + report["balance_bounced"]
    assert report["balance_delivered"] > 0
    assert report["deferred"] > 0


def test_a_worker_killed_between_250_and_its_record_repeats_within_the_window(
    journey: Journey,
) -> None:
    """D4: at most a repeat, with the same Message-ID."""
    worker = journey.merpati.pids()["deliver-0"]
    journey.faults.write_text("delivery.after_250_before_settle=kill")
    recipients = some(50)
    status, _ = send(journey.http, journey.customer.api_key, transmission(*recipients))
    assert status == 200
    wait_until(lambda: not is_alive(worker), "the worker's death")
    journey.faults.unlink()
    wait_until(lambda: set(journey.sink.recipients()) == set(recipients), "all messages")
    wait_until(lambda: journey.balance()["delivered"] == len(recipients), "their records")
    arrivals = journey.sink.arrivals()
    copies: dict[str, set[str]] = {}
    for arrival in arrivals:
        copies.setdefault(arrival.recipient, set()).add(arrival.message_id)
    assert len(arrivals) > len(recipients)  # the fault came after a 250
    assert all(len(ids) == 1 for ids in copies.values())


def test_a_full_disk_is_answered_503_and_sending_resumes_by_itself(journey: Journey) -> None:
    """D5, D8: nothing is acknowledged that is not on disk."""
    key = journey.customer.api_key
    journey.faults.write_text("spool.commit=full")
    status, answer = send(journey.http, key, transmission("refused@example.net"))
    assert status == 503
    assert answer["errors"][0]["message"]
    journey.faults.unlink()

    def accepted() -> bool:
        return send(journey.http, key, transmission("kept@example.net"))[0] == 200

    wait_until(accepted, "acceptance to resume")
    wait_until(lambda: "kept@example.net" in journey.sink.recipients(), "the message")
    assert "refused@example.net" not in journey.sink.recipients()


def test_delivery_pauses_while_nothing_can_be_removed(journey: Journey) -> None:
    """D7: no repeat sends, however often the removal fails."""
    journey.faults.write_text("spool.settle.before_commit=error")
    recipients = some(300)
    status, _ = send(journey.http, journey.customer.api_key, transmission(*recipients))
    assert status == 200
    wait_until(journey.sink.recipients, "the first messages")
    queues = journey.merpati.command("queue")["queues"]
    wait_until(
        lambda: any(q["reason"] for q in journey.merpati.command("queue")["queues"]),
        f"a reason for standing still in {queues}",
    )
    journey.faults.unlink()
    wait_until(lambda: journey.balance()["delivered"] == len(recipients), "all to settle")
    assert sorted(journey.sink.recipients()) == sorted(recipients)


def test_a_graceful_stop_under_load_loses_and_repeats_nothing(journey: Journey) -> None:
    """D16."""
    recipients = some(1500)
    status, _ = send(journey.http, journey.customer.api_key, transmission(*recipients))
    assert status == 200
    wait_until(journey.sink.recipients, "the first messages")
    children = journey.merpati.pids().values()
    assert journey.merpati.stop() == 0
    assert not any(is_alive(pid) for pid in children)
    journey.merpati.start()
    wait_until(lambda: journey.balance()["delivered"] == len(recipients), "the rest")
    verdict = judge(set(recipients), journey.sink.arrivals(), [])
    assert verdict.holds, verdict
    assert verdict.duplicates == 0


def test_the_same_idempotency_key_sends_once(journey: Journey) -> None:
    """Also when the service was killed between the two calls."""
    body, key = transmission("once@example.net"), journey.customer.api_key
    first = send(journey.http, key, body, Idempotency_Key="order-42")
    journey.merpati.kill()
    journey.merpati.start()
    second = send(journey.http, key, body, Idempotency_Key="order-42")
    assert first == second
    assert first[0] == 200
    other = transmission("other@example.net")
    status, answer = send(journey.http, key, other, Idempotency_Key="order-42")
    assert status == 409, answer
    wait_until(lambda: journey.balance()["delivered"] == 1, "the one message")
    assert set(journey.sink.recipients()) == {"once@example.net"}


def test_content_cannot_smuggle_a_second_message(journey: Journey) -> None:
    """S6: stray line ends and lone dots in content reach the far end as one message."""
    text = "one\n.\nMAIL FROM:<x@y>\r.\r\n.\r\nRCPT TO:<z@y>\n\r.\r\rDATA\r\n..\r\n"
    body = transmission("a@example.net", text=text)
    assert send(journey.http, journey.customer.api_key, body)[0] == 200
    wait_until(lambda: journey.balance()["delivered"] == 1, "the message")
    assert journey.sink.recipients() == ["a@example.net"]


def test_a_header_cannot_be_injected(journey: Journey) -> None:
    """H1: 400-class with the field's name, nothing sent."""
    key = journey.customer.api_key
    for content, field in (
        ({"subject": "a\r\nBcc: x@y.example"}, "subject"),
        ({"headers": {"X-A": "b\nBcc: x@y.example"}}, "headers"),
        ({"headers": {"X-A\r\nBcc": "b"}}, "headers"),
        ({"reply_to": "a@kirim.example\r\nBcc: x@y.example"}, "reply_to"),
    ):
        status, answer = send(journey.http, key, transmission("a@example.net", **content))
        assert 400 <= status < 500, (field, status, answer)
        assert field in json.dumps(answer), (field, answer)
    assert journey.merpati.command("accounts", "balance")["rows"] == []
    assert journey.sink.recipients() == []


def test_the_data_folder_keeps_no_plain_secret(journey: Journey) -> None:
    """API keys are hashed and DKIM keys encrypted at rest; neither is logged."""
    secrets = (journey.customer.api_key.encode(), b"PRIVATE KEY")
    folder: Path = journey.merpati.data
    files = [f for f in folder.rglob("*") if f.is_file() and "tls" not in f.parts]
    assert len(files) > 3
    for file in [*files, journey.merpati.log]:
        data = file.read_bytes()
        assert not any(secret in data for secret in secrets), file
