"""A migration's day with real processes: two warming IPs, three providers, the old provider.

Google bears all it is sent, Yahoo's allowance is spent at once, Outlook blocks at the first
mail. The sandbox plays all three; the old provider is a relay that takes whatever comes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.customer import SENDING_IPS, Customer
from harness.sandbox import Sandbox
from harness.service import Merpati, wait_until
from merpati.sending.buckets import bucket_of
from tests.support.http_calls import call, send, transmission
from tests.support.prepared import signed_up
from tests.support.sink import Sink, sink

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

HOSTS = f"127.{150 + os.getpid() % 50}.252.1:0"
EACH = 800  # recipients at each provider; who moves is fixed by their addresses
SHARE = 40  # per cent of them move
SPENT_AT = 1  # a day at Yahoo, from each IP
GMAIL, YAHOO, OUTLOOK = "gmail-like.test", "yahoo-like.test", "outlook-like.test"
PROVIDERS = """
[[provider]]
name = "Gmail"
like = "google"
domains = ["gmail-like.test"]
start_per_day = 1_000_000
background_deferral = 0.0
unknown_user_share = 0.0

[[provider]]
name = "Yahoo"
like = "yahoo"
domains = ["yahoo-like.test"]
start_per_day = 1_000_000
background_deferral = 0.0
unknown_user_share = 0.0

[[provider]]
name = "Outlook.com"
like = "outlook-consumer"
domains = ["outlook-like.test"]
registered_ips = ["127.0.0.99"]
"""
TRAFFIC = """stream,provider,messages_per_day
news,google,20000
news,yahoo,20000
news,outlook-consumer,20000
"""


@dataclass
class Move:
    """Everybody who takes part."""

    merpati: Merpati
    customer: Customer
    sandbox: Sandbox
    old: Sink

    def tries(self, domain: str, outcome: str) -> list[dict[str, Any]]:
        """Return what a provider answered our IPs."""
        told = list(self.sandbox.tries)
        return [t for t in told if t["outcome"] == outcome and t["rcpt_to"].endswith(domain)]

    def ours(self, domain: str) -> list[str]:
        """Return whose mail a provider took from us, in the order of their numbers."""
        return sorted(one["rcpt_to"] for one in self.tries(domain, "accepted"))

    def by_old(self, domain: str) -> list[str]:
        """Return whose mail went by the old provider."""
        return sorted(one for one in self.old.recipients() if one.endswith(domain))

    def send(self, *recipients: str) -> None:
        http, key = self.merpati.addresses["http"], self.customer.api_key
        status, answer = send(http, key, transmission(*recipients))
        assert status == 200, answer

    def told(self) -> str:
        """Return how far it is, should a wait take too long."""
        counts = {d: (len(self.ours(d)), len(self.by_old(d))) for d in (GMAIL, YAHOO, OUTLOOK)}
        return f"mail, not {counts}, {self.merpati.command('queue')}"


@pytest.fixture
def move(tmp_path: Path) -> Iterator[Move]:
    """The migration runs; what is decided by hand would have grown over weeks."""
    (tmp_path / "providers.toml").write_text(PROVIDERS)
    (tmp_path / "traffic.csv").write_text(TRAFFIC)
    customer = signed_up(tmp_path / "data")
    sandbox = Sandbox("--providers", str(tmp_path / "providers.toml"))
    sandbox.start(HOSTS)
    merpati = Merpati(tmp_path / "data", "--workers", "1", environment=sandbox.environment)
    why = ("--reason", "rehearsed before")
    allowances = {"google": 20_000_000, "yahoo": SPENT_AT}
    plan = ("1", "To Merpati", str(tmp_path / "traffic.csv"), "--egress", "old")
    today = str(datetime.now(UTC).date())
    try:
        with sink(tmp_path) as old:
            merpati.commands(
                ("egress", "add", "1", "old", f"127.0.0.1:{old.port}", "--tls", "none"),
                ("migration", "create", *plan, "--starts-on", today),
                ("migration", "start", "1"),
                *(
                    ("migration", "override", "1", "--provider", one, "--share", f"{SHARE}%", *why)
                    for one in (*allowances, "outlook-consumer")
                ),
                *(
                    ("warmup", "override", address, provider, str(messages), *why)
                    for address in SENDING_IPS
                    for provider, messages in allowances.items()
                ),
            )
            merpati.start()
            yield Move(merpati, customer, sandbox, old)
    finally:
        code = merpati.stop()
        sandbox.stop()
    assert code == 0, merpati.log.read_text()[-2000:]


def test_mail_is_split_within_allowances_and_a_block_stays_where_it_is(move: Move) -> None:
    """M1, M3: at one provider all goes well, at one the day's allowance is spent, one blocks."""
    everybody = [f"f{n}@{domain}" for n in range(EACH) for domain in (GMAIL, YAHOO, OUTLOOK)]
    move.send(*everybody)

    # The share moves, within a hundredth, and nobody has it twice.
    wait_until(lambda: len(move.ours(GMAIL) + move.by_old(GMAIL)) >= EACH, move.told)
    moved = move.ours(GMAIL)
    assert sorted(moved + move.by_old(GMAIL)) == sorted(one for one in everybody if GMAIL in one)
    assert abs(len(moved) / EACH - SHARE / 100) <= 0.01

    # A spent allowance is never passed: what is more goes by the old provider.
    wait_until(lambda: len(move.ours(YAHOO) + move.by_old(YAHOO)) >= EACH, move.told)
    taken = Counter(one["from_ip"] for one in move.tries(YAHOO, "accepted"))
    assert taken == dict.fromkeys(SENDING_IPS, SPENT_AT)
    assert len(move.by_old(YAHOO)) == EACH - len(SENDING_IPS) * SPENT_AT

    # A block is felt at that provider alone. What it refused waits, and hops to no other IP; the
    # rest goes by the old provider, since nothing more may go there from here today.
    wait_until(
        lambda: len(move.by_old(OUTLOOK) + move.tries(OUTLOOK, "refused")) >= EACH, move.told
    )
    refused = move.tries(OUTLOOK, "refused")
    blocked = {one["rcpt_to"] for one in refused}
    assert len(refused) == len(blocked) <= len(SENDING_IPS)
    assert all(bucket_of(1, one) < SHARE * 100 for one in blocked)
    others = [one for one in everybody if OUTLOOK in one and one not in blocked]
    assert move.by_old(OUTLOOK) == sorted(others)
    (queue,) = move.merpati.command("queue")["queues"]
    assert (queue["provider"], queue["why"], queue["depth"]) == (
        *("outlook-consumer", "paused"),
        len(blocked),
    )
    assert "Outlook.com refuses mail from 127.0.0." in queue["reason"]
    wait_until(lambda: _blocked(move) == {one["from_ip"] for one in refused}, "the alerts")

    # Who moved stays moved.
    again = [*moved[:10], *move.by_old(GMAIL)[:10]]
    move.send(*again)
    wait_until(lambda: len(move.ours(GMAIL) + move.by_old(GMAIL)) >= EACH + len(again), move.told)
    assert Counter(move.ours(GMAIL)) - Counter(moved) == Counter(again[:10])


def _blocked(move: Move) -> set[str]:
    """Return the sending IPs that alerts say are blocked at Outlook."""
    http, key = move.merpati.addresses["http"], move.customer.api_key
    _, answer = call(http, "GET", "/api/merpati/v1/alerts", key=key)
    blocks = [one for one in answer["results"] if one["kind"] == "provider_block"]
    return {one["sending_ip"] for one in blocks if one["provider"] == "outlook-consumer"}
