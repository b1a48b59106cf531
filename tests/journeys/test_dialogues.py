"""What goes wrong at mail hosts, one file in dialogues/ each, against the running service.

All files are played at once: one service sends one message to each, and every test looks at what
became of its own.
"""

from __future__ import annotations

import os
import smtplib
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from harness.customer import DOMAIN, Customer, sign_up
from harness.service import Merpati, wait_until
from merpati.sandbox.dns_server import DnsServer
from tests.support.certificates import server_tls
from tests.support.dialogue import Dialogue, Theatre, matches, read_dialogue
from tests.support.http_calls import call, send, transmission
from tests.support.prepared import prepared

DIALOGUES = [read_dialogue(file) for file in sorted(Path(__file__).parent.glob("dialogues/*.txt"))]
EIGHT_BIT = f"From: halo@{DOMAIN}\r\nSubject: Halo\r\n\r\nSelamat siang, Ségolène\r\n"

pytestmark = pytest.mark.journey


@dataclass
class Seen:
    """What is to be seen of one dialogue from outside."""

    events: list[dict[str, Any]]  # oldest first
    sentences: list[str]  # on its mailbox provider: why mail waits, why it goes slower
    is_suppressed: bool

    @property
    def story(self) -> list[str]:
        """Return "type class" in order, repeats left out."""
        told = (f"{e['type']} {e.get('bounce_class', '')}".strip() for e in self.events)
        return [one for one, _ in groupby(told)]

    @property
    def reason(self) -> str:
        """Return the text of the last event that has one."""
        return next((e["raw_reason"] for e in reversed(self.events) if "raw_reason" in e), "")

    @property
    def was_encrypted(self) -> bool:
        """Return whether the last attempt went through TLS."""
        return bool(self.events) and self.events[-1].get("outbound_tls") == "1"

    def misses(self, dialogue: Dialogue) -> dict[str, Any]:
        """Return what is otherwise than the file expects, by the name of the expectation."""
        expected = dialogue.expected
        has = {
            "events": self.story == expected.events,
            "reason": matches(expected.reason or "*", self.reason),
            "sentence": any(matches(expected.sentence, one) for one in ["", *self.sentences]),
            "suppressed": self.is_suppressed == expected.suppressed,
            "tls": self.was_encrypted == expected.tls,
        }
        return {name: self for name, is_so in has.items() if not is_so}


@dataclass
class Performance:
    """A service that sends to all dialogues."""

    merpati: Merpati
    customer: Customer
    theatre: Theatre

    def look(self) -> dict[str, Seen]:
        """Return what is to be seen now, by dialogue."""
        events = self.merpati.command("events", "--limit", "10000")["events"]
        sentences: dict[str, list[str]] = {}
        for queue in self.merpati.command("queue")["queues"]:
            sentences.setdefault(queue["provider"], []).append(queue["reason"])
        for lane in self.merpati.command("queue", "--pace")["paces"]:
            sentences.setdefault(lane["provider"], []).append(lane["reason"])
        _, answer = call(
            self.merpati.addresses["http"],
            "GET",
            "/api/v1/suppression-list",
            key=self.customer.api_key,
        )
        suppressed = {entry["recipient"] for entry in answer["results"]}
        seen = {}
        for dialogue in self.theatre.dialogues:
            own = [
                event
                for event in reversed(events)
                if event["recipient_domain"] == dialogue.domain and event["type"] != "injection"
            ]
            provider = own[-1].get("mailbox_provider", "") if own else ""
            is_suppressed = not suppressed.isdisjoint(dialogue.recipients)
            seen[dialogue.name] = Seen(own, sentences.get(provider, []), is_suppressed)
        return seen


@pytest.fixture(scope="module")
def performance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Performance]:
    """Play all files: returns once all that they expect is there, or no longer to be hoped for."""
    folder = tmp_path_factory.mktemp("dialogues")
    network = f"127.{64 + os.getpid() % 128}"
    with DnsServer() as dns, Theatre(DIALOGUES, network, server_tls("mx")).open(dns) as theatre:
        merpati = Merpati(
            prepared(folder / "data"),
            *("--workers", "1", "--inbound", f"{theatre.ours}:{theatre.port}"),
            environment={
                "MERPATI_DNS__SERVERS": dns.address,
                "MERPATI_DELIVERY__PORT": str(theatre.port),
                "MERPATI_DELIVERY__RETRY_SECONDS": "1",
                "MERPATI_SAFETY__ALLOW_PRIVATE": "127.0.0.0/8",
            },
        )
        merpati.start()
        try:
            customer = sign_up(merpati, sending_ips={"127.0.0.2": f"mta-1.{DOMAIN}"})
            it = Performance(merpati, customer, theatre)
            _send(it)
            with suppress(TimeoutError):  # each test says what its own file misses
                wait_until(lambda: _is_over(it), "the expectations", limit=30)
            yield it
        finally:
            code = merpati.stop()
    assert code == 0, merpati.log.read_text()[-2000:]


def _send(it: Performance) -> None:
    submitted, others = list[str](), list[str]()
    for dialogue in DIALOGUES:
        (submitted if dialogue.expected.submitted else others).extend(dialogue.recipients)
    status, answer = send(it.merpati.addresses["http"], it.customer.api_key, transmission(*others))
    assert status == 200, answer
    host, _, port = it.merpati.addresses["submission"].rpartition(":")
    tls = ssl.create_default_context(cafile=str(it.merpati.data / "tls" / "ca.pem"))
    with smtplib.SMTP(host, int(port), timeout=20) as client:
        client.starttls(context=tls)
        client.login("SMTP_Injection", it.customer.api_key)
        client.sendmail(f"halo@{DOMAIN}", submitted, EIGHT_BIT.encode(), ["BODY=8BITMIME"])


def _is_over(it: Performance) -> bool:
    if it.theatre.unplayed():
        return False
    seen = it.look()
    return not any(seen[dialogue.name].misses(dialogue) for dialogue in DIALOGUES)


@pytest.fixture(scope="module")
def seen(performance: Performance) -> dict[str, Seen]:
    return performance.look()


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda dialogue: dialogue.name)
def test_what_a_mail_host_does_ends_as_its_file_expects(
    dialogue: Dialogue, seen: dict[str, Seen]
) -> None:
    assert seen[dialogue.name].misses(dialogue) == {}


def test_every_script_was_played_to_its_end_and_nothing_else_was_said(
    performance: Performance,
) -> None:
    assert performance.theatre.faults == []
    assert performance.theatre.unplayed() == set()


def test_the_books_balance_after_all_of_it(performance: Performance) -> None:
    (row,) = performance.merpati.command("accounts", "balance", "--account", "1")["rows"]
    ends = Counter[str]()
    for dialogue in DIALOGUES:
        ends[dialogue.expected.events[-1].split()[0]] += dialogue.expected.messages
    assert row["difference"] == 0
    assert row["accepted"] == ends.total()
    assert (row["delivered"], row["bounced"]) == (ends["delivery"], ends["bounce"])
    assert row["waiting"] == ends["delay"]
