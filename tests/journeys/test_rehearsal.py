"""A customer rehearses: mail goes to the sandbox's providers, found by DNS, and each answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.customer import SENDING_IPS, Customer, sign_up
from harness.sandbox import Sandbox
from harness.service import Merpati, wait_until
from tests.support.http_calls import call, send, transmission
from tests.support.prepared import prepared

pytestmark = pytest.mark.journey

# Recipient -> provider, the last event it comes to, its bounce class.
EXPECTED = {
    "accept@gmail-like.test": ("google", "delivery", None),
    "defer-1@gmx-like.test": ("united-internet", "delivery", None),
    "greylist-1@plain-like.test": ("plain-like.test", "delivery", None),
    "reject@gmail-like.test": ("google", "bounce", "10"),
    "full@icloud-like.test": ("apple", "bounce", "22"),
    "block@outlook-like.test": ("outlook-consumer", "bounce", "51"),
    "spam@orange-like.test": ("orange", "bounce", "52"),
    "rate@yahoo-like.test": ("yahoo", "delay", "51"),
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    it = Sandbox()
    it.start("127.0.0.80:0")
    yield it
    it.stop()


@pytest.fixture
def merpati(tmp_path: Path, sandbox: Sandbox) -> Iterator[Merpati]:
    environment = {
        **sandbox.environment,
        "MERPATI_DELIVERY__RETRY_SECONDS": "1",
        "MERPATI_LOG__FORMAT": "json",
        "MERPATI_LOG__LEVEL": "debug",
    }
    it = Merpati(prepared(tmp_path / "data"), "--workers", "1", environment=environment)
    it.start()
    yield it
    assert it.stop() == 0, it.log.read_text()[-2000:]


@pytest.fixture
def customer(merpati: Merpati) -> Customer:
    return sign_up(merpati)


def newest(merpati: Merpati) -> dict[str, dict[str, Any]]:
    """Return each recipient's newest event."""
    events = merpati.command("events", "--limit", "1000")["events"]
    return {event["raw_rcpt_to"]: event for event in reversed(events)}


def test_each_provider_answers_as_the_recipient_says_and_is_understood(
    merpati: Merpati, customer: Customer, sandbox: Sandbox
) -> None:
    address = merpati.addresses["http"]
    assert send(address, customer.api_key, transmission(*EXPECTED))[0] == 200

    def found() -> dict[str, tuple[str, str, str | None]]:
        return {
            recipient: (event.get("mailbox_provider", ""), event["type"], event.get("bounce_class"))
            for recipient, event in newest(merpati).items()
        }

    wait_until(lambda: found() == EXPECTED, lambda: f"what was expected, not {found()}")

    # Only the address that does not exist is suppressed; what blames us blames no recipient.
    def suppressed() -> set[str]:
        _, answer = call(address, "GET", "/api/v1/suppression-list", key=customer.api_key)
        return {entry["recipient"] for entry in answer["results"]}

    wait_until(lambda: suppressed() == {"reject@gmail-like.test"}, "the suppression")
    seen = {(one["from_ip"], one["helo"]) for one in sandbox.tries}
    assert seen <= set(SENDING_IPS.items())


def test_one_id_follows_a_message_through_all_processes(
    merpati: Merpati, customer: Customer
) -> None:
    """Web accepts, a worker attempts, the event store tells, all of one id."""
    body = transmission("accept@plain-like.test")
    assert send(merpati.addresses["http"], customer.api_key, body)[0] == 200
    (event,) = wait_until(
        lambda: merpati.command("events", "--type", "delivery")["events"], "the delivery"
    )
    lines = [json.loads(line) for line in merpati.log.read_text().splitlines()]
    told = [
        (line["process"], line["event"])
        for line in lines
        if event["message_id"] in (line.get("message"), line.get("first_message"))
    ]
    assert told == [("web", "accepted"), ("deliver-0", "attempt")]
    assert not any("accept@plain-like.test" in json.dumps(line) for line in lines)
