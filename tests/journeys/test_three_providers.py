"""One customer's mail to three mail hosts of different make, on a bad day and on the day after.

Debian's Postfix behind a dead host, the sandbox's providers, and a scripted Outlook, all found by
the sandbox's DNS server.
"""

from __future__ import annotations

import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.customer import DOMAIN, Customer, sign_up
from harness.programs import MERPATI
from harness.sandbox import Sandbox
from harness.service import Merpati, wait_until
from tests.support import postfix as debian
from tests.support.certificates import server_tls
from tests.support.dialogue import Theatre, read_dialogue
from tests.support.http_calls import call, send, transmission
from tests.support.prepared import prepared

pytestmark = [
    pytest.mark.journey,
    pytest.mark.needs_postfix,
    pytest.mark.skipif(debian.missing() is not None, reason=str(debian.missing())),
]

NETWORK = f"127.{200 + os.getpid() % 50}"
OUTLOOK = read_dialogue(Path(__file__).with_name("outlook-thinks-better-of-it.txt"))
FAILED_OVER = "sari@postfix.example"
GREYLISTED = "greylist-1@plain-like.test"
TOO_FAST = "rate-1@yahoo-like.test"
(BLOCKED,) = OUTLOOK.recipients
FULL = "full@icloud-like.test"
UNKNOWN = "reject@plain-like.test"


class ZoneFile:
    """Gathers records for the sandbox's DNS server; `text` is the file it reads."""

    def __init__(self) -> None:
        self.text = ""

    def add(self, name: str, record_type: str, *values: str) -> None:
        for value in values:
            self.text += f'[[record]]\nname = "{name}"\ntype = "{record_type}"\nvalue = "{value}"\n'


@dataclass
class Day:
    """Everybody who takes part."""

    merpati: Merpati
    customer: Customer
    sandbox: Sandbox
    postfix: debian.Postfix

    def stories(self) -> dict[str, list[tuple[str, str | None]]]:
        """Return each recipient's events, type and bounce class, oldest first."""
        events = self.merpati.command("events", "--limit", "1000")["events"]
        told: dict[str, list[tuple[str, str | None]]] = {}
        for event in reversed(events):
            if event["type"] != "injection":
                story = told.setdefault(event["raw_rcpt_to"], [])
                story.append((event["type"], event.get("bounce_class")))
        return told

    def suppressed(self) -> set[str]:
        """Return the account's suppression list."""
        _, answer = call(
            self.merpati.addresses["http"],
            "GET",
            "/api/v1/suppression-list",
            key=self.customer.api_key,
        )
        return {entry["recipient"] for entry in answer["results"]}

    def queues(self) -> dict[str, dict[str, Any]]:
        """Return what waits, by provider."""
        return {q["provider"]: q for q in self.merpati.command("queue")["queues"]}

    def paces(self) -> dict[str, dict[str, Any]]:
        """Return the pace of the one sending IP, by provider."""
        lanes = self.merpati.command("queue", "--pace")["paces"]
        return {lane["provider"]: lane for lane in lanes}

    def words(self) -> str:
        """Return what `merpati queue` prints for people, on one line."""
        done = subprocess.run(
            [MERPATI, "queue", "--data", str(self.merpati.data)],
            env={**os.environ, "COLUMNS": "120"},
            capture_output=True,
            text=True,
            check=True,
        )
        return " ".join(done.stdout.split())

    def attempts(self) -> dict[tuple[str, str], int]:
        """Return the attempts that /metrics counts, by provider and outcome."""
        with urllib.request.urlopen(f"http://{self.merpati.addresses['http']}/metrics") as answer:
            text = answer.read().decode()
        lines = re.findall(r"merpati_smtp_attempts_total\{([^}]*)\} (\d+)", text)
        labels = [dict(re.findall(r'(\w+)="([^"]*)"', one)) for one, _ in lines]
        return {
            (label["provider"], label["outcome"]): int(count)
            for label, (_, count) in zip(labels, lines, strict=True)
        }


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    zone = ZoneFile()
    zone.add("mx1.postfix.example", "A", f"{NETWORK}.250.1")  # nobody is there
    zone.add("mx2.postfix.example", "A", "127.0.0.1")
    zone.add("postfix.example", "MX", "10 mx1.postfix.example.", "20 mx2.postfix.example.")
    with (
        debian.postfix("postfix.example", {}) as postfix,
        Theatre([OUTLOOK], NETWORK, server_tls("mx"), postfix.port).open(zone),
    ):
        file = tmp_path / "zone.toml"
        file.write_text(zone.text)
        sandbox = Sandbox("--zone", str(file))
        sandbox.start(f"{NETWORK}.251.1:{postfix.port}")
        merpati = Merpati(
            prepared(tmp_path / "data"),
            *("--workers", "1"),
            environment={**sandbox.environment, "MERPATI_DELIVERY__RETRY_SECONDS": "1"},
        )
        try:
            merpati.start()
            customer = sign_up(merpati, sending_ips={"127.0.0.2": f"mta-1.{DOMAIN}"})
            yield Day(merpati, customer, sandbox, postfix)
        finally:
            code = merpati.stop()
            sandbox.stop()
    assert code == 0, merpati.log.read_text()[-2000:]


def test_each_trouble_has_its_class_retry_pace_and_reason_and_passes(day: Day) -> None:
    """T1, T5: fail-over, greylisting, rate limit, reputation block, full mailbox; then recovery."""
    everybody = (FAILED_OVER, GREYLISTED, TOO_FAST, BLOCKED, FULL, UNKNOWN)
    body = transmission(*everybody)
    assert send(day.merpati.addresses["http"], day.customer.api_key, body)[0] == 200
    expected = {
        FAILED_OVER: [("delivery", None)],
        GREYLISTED: [("delay", "70"), ("delivery", None)],
        TOO_FAST: [("delay", "51")],
        BLOCKED: [("delay", "51")],
        FULL: [("bounce", "22")],
        UNKNOWN: [("bounce", "10")],
    }
    wait_until(lambda: day.stories() == expected, lambda: f"the stories, not {day.stories()}")

    # Who takes mail has it, from the same IP at each try.
    assert [message["To"] for message in day.postfix.messages()] == [FAILED_OVER]
    tries = [(t["from_ip"], t["outcome"]) for t in day.sandbox.tries if t["rcpt_to"] == GREYLISTED]
    assert tries == [("127.0.0.2", "deferred"), ("127.0.0.2", "accepted")]

    # What waits says why and until when; what blames nobody changes no pace.
    queues, paces = day.queues(), day.paces()
    assert set(queues) == {"yahoo", "outlook-consumer"}
    for provider, name in (("yahoo", "Yahoo"), ("outlook-consumer", "Outlook.com")):
        queue = queues[provider]
        assert (queue["why"], queue["depth"]) == ("paused", 1)
        assert queue["until"] > queue["oldest_due_at"]
        assert queue["reason"].startswith(f"{name} ")
        assert paces[provider]["reason"]
        assert paces[provider]["connections_limit"] == 1
    assert {p for p, lane in paces.items() if lane["reason"]} == set(queues)
    assert re.search(
        r"why: Outlook\.com refuses mail from 127\.0\.0\.2 \S.* \(550 5\.7\.1 Unfortunately, .* "
        r"\(S3140\)\.\): paused until (\d+ \w+ )?\d\d:\d\d UTC \(\d+ \w+\), then one connection; "
        r"1 message waits",
        day.words(),
    )
    wait_until(lambda: day.suppressed() == {UNKNOWN}, lambda: f"one entry: {day.suppressed()}")

    # The cause is mended, and the operator says so: all that waited goes.
    for provider in queues:
        day.merpati.command("queue", "retry", "--provider", provider, "--lift")
    expected[TOO_FAST] += [("delivery", None)]
    expected[BLOCKED] += [("delivery", None)]
    wait_until(lambda: day.stories() == expected, lambda: f"the stories, not {day.stories()}")
    assert day.queues() == {}
    assert not any(lane["reason"] for lane in day.paces().values())
    (row,) = day.merpati.command("accounts", "balance")["rows"]
    assert (row["delivered"], row["bounced"], row["difference"]) == (4, 2, 0)
    attempts = day.attempts()
    assert (
        attempts["outlook-consumer", "deferred"] == attempts["outlook-consumer", "delivered"] == 1
    )
    assert attempts["apple", "bounced"] == 1
