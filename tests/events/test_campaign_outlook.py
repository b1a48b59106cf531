"""A campaign's outlook, read from the spool and the policy."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from merpati.adapters.clock import SystemClock
from merpati.contracts.sending_policy import (
    Account,
    Egress,
    Migration,
    OnSpent,
    Order,
    ProviderAllowance,
    Route,
    SendingIp,
    SendingPolicy,
)
from merpati.events.campaign_outlook import Outlook, Outlooks, document
from merpati.events.outlook import DAY_MS, Held
from merpati.spool.errors import SpoolUnavailable
from merpati.spool.shard import Shard
from tests.support.worker import ACCOUNT, NOON, POOL, batch, policy

HOUR_MS = 3_600_000
IP = "192.0.2.1"
DAY = NOON // DAY_MS
WARMING = policy(
    25,
    routes=[],
    ips=[
        SendingIp(
            IP,
            "mta1.kirim.example",
            allowances=[
                ProviderAllowance("google", DAY, 60),
                ProviderAllowance("google", DAY + 1, 480),
            ],
        )
    ],
)


async def _filled(spool: Path) -> None:
    shard = Shard(spool, 1, SystemClock())
    some = [f"u{n}@gmail.com" for n in range(70)]
    await shard.append(batch(*some, now=NOON, campaign_id="spring"))
    await shard.append(batch("a@x.example", now=NOON, campaign_id="spring", due_at=NOON + HOUR_MS))
    await shard.append(batch("b@x.example", now=NOON, campaign_id="autumn"))
    await shard.reserve(IP, "google", DAY, 20, 60)
    await shard.close()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    asyncio.run(_filled(tmp_path / "spool"))
    return tmp_path / "spool"


def of(spool: Path, using: SendingPolicy | None = WARMING, campaign: str = "spring") -> Outlook:
    return Outlooks(spool, lambda: using).of(ACCOUNT, 1, campaign, NOON)


def test_it_says_when_the_last_leaves_and_what_waits_for_tomorrow(spool: Path) -> None:
    """Of 60 today 20 are used: 40 of 70 leave this afternoon, the others at 480 a day."""
    found = of(spool)
    assert found.messages == 71
    assert found.last_at == pytest.approx((DAY + 1) * DAY_MS + 1.5 * HOUR_MS, abs=900_000)
    told = found.sentence()
    assert told.startswith("the last of 71 messages leaves ")
    assert f"; 30 wait for tomorrow's allowance at Gmail and Google Workspace on {IP}" in told
    assert "; 1 message at x.example is scheduled, the last for " in told
    shown = document(found)
    assert [part["provider"] for part in shown["parts"]] == ["google", "x.example"]
    assert shown["parts"][0]["held_by"] == "allowance"
    assert shown["parts"][0]["for_tomorrow"] == 30


def test_a_sentence_speaks_of_some_parts_alone(spool: Path) -> None:
    parts = of(spool).parts[:1] * 7
    assert Outlook("spring", NOON, parts, {}).sentence().endswith("192.0.2.1; and 2 more")


def test_what_nothing_holds_and_what_is_not_there(spool: Path) -> None:
    assert of(spool, campaign="autumn").sentence() == "1 message leaves now"
    assert of(spool, campaign="winter").sentence() == "nothing of this campaign waits"
    assert of(spool.parent / "empty").messages == 0


def test_an_old_provider_takes_what_exceeds_the_allowance(spool: Path) -> None:
    relieved = msgspec.structs.replace(
        WARMING,
        egresses=[Egress(1, ACCOUNT, "old", "smtp.old.example", 587)],
        migrations=[Migration(ACCOUNT, POOL, 1, on_spent=OnSpent.OLD)],
    )
    assert of(spool, relieved).parts[-1].held is Held.NOTHING
    waits = msgspec.structs.replace(
        relieved, migrations=[Migration(ACCOUNT, POOL, 1, on_spent=OnSpent.WAIT)]
    )
    assert of(spool, waits).parts[0].held is Held.ALLOWANCE


def test_orders_routes_suspension_and_missing_ips_are_told(spool: Path) -> None:
    order = Order(1, NOON + 6 * HOUR_MS, NOON, "cli:siti", provider="google")
    slow = Route("gmail.com", "127.0.0.1", 25, messages_per_minute=1)
    routed = policy(25, ips=[SendingIp(IP, "mta1.kirim.example")], routes=[slow])
    told = {
        "order": msgspec.structs.replace(routed, routes=[], orders=[order]),
        "pace": routed,
        "suspended": msgspec.structs.replace(
            WARMING, accounts=[Account(ACCOUNT, 1, POOL, suspended="not paid")]
        ),
        "none": None,
    }
    said = {name: of(spool, using).sentence() for name, using in told.items()}
    assert "70 messages at Gmail and Google Workspace wait by order" in said["order"]
    assert "wait for the pace at route gmail.com on" in said["pace"]
    assert said["suspended"] == "71 messages wait: the account is suspended: not paid"
    assert "is not to be foreseen" in said["none"]
    assert "wait for a sending IP" in said["none"]


def test_a_shard_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "01.sqlite3").write_bytes(b"no database" * 100)
    with pytest.raises(SpoolUnavailable, match="what waits cannot be read"):
        of(tmp_path)
