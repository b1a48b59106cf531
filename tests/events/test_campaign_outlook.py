"""A campaign's outlook, read from the spool and the policy."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from django.utils import translation

from merpati.adapters.clock import SystemClock
from merpati.contracts.batch import LocalHours
from merpati.contracts.queues import KnownWays, LaneStatus
from merpati.contracts.sending_policy import (
    Account,
    Egress,
    Migration,
    OnSpent,
    Order,
    Pool,
    ProviderAllowance,
    Route,
    SendingIp,
    SendingPolicy,
    Share,
)
from merpati.events.campaign_outlook import Outlook, Outlooks, document
from merpati.events.outlook import Held
from merpati.events.outlook_lane import DAY_MS
from merpati.events.outlook_words import sentence
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


def of(
    spool: Path,
    using: SendingPolicy | None = WARMING,
    campaign: str = "spring",
    known: KnownWays | None = None,
    held: str = "",
) -> Outlook:
    outlooks = Outlooks(spool, lambda: using, lambda *_: known or KnownWays(), lambda: held)
    return outlooks.of(ACCOUNT, 1, campaign, NOON)


def test_it_says_when_the_last_leaves_and_what_waits_for_tomorrow(spool: Path) -> None:
    """Of 60 today 20 are used: 40 of 70 leave this afternoon, the others at 480 a day."""
    found = of(spool)
    assert found.messages == 71
    assert found.last_at == pytest.approx((DAY + 1) * DAY_MS + 1.5 * HOUR_MS, abs=900_000)
    told = sentence(found)
    assert told.startswith("the last of 71 messages leaves ")
    assert (
        f"; 30 messages wait for tomorrow's allowance at Gmail and Google Workspace ({IP})" in told
    )
    assert "; 1 message to x.example is scheduled, the last " in told
    shown = document(found)
    assert [part["provider"] for part in shown["parts"]] == ["google", "x.example"]
    assert shown["parts"][0]["held_by"] == "allowance"
    assert shown["parts"][0]["for_tomorrow"] == 30


def test_a_sentence_speaks_of_some_parts_alone(spool: Path) -> None:
    parts = of(spool).parts[:1] * 7
    assert sentence(Outlook("spring", NOON, parts, {})).endswith("(192.0.2.1); and 2 more")


def test_what_nothing_holds_and_what_is_not_there(spool: Path) -> None:
    assert sentence(of(spool, campaign="autumn")) == "1 message leaves now"
    assert sentence(of(spool, campaign="winter")) == "nothing of this campaign waits"
    assert of(spool.parent / "empty").messages == 0


def test_an_old_provider_takes_what_exceeds_the_allowance(spool: Path) -> None:
    moved = Migration(ACCOUNT, POOL, 1, [Share("google", 10_000)], OnSpent.OLD)
    relieved = msgspec.structs.replace(
        WARMING,
        egresses=[Egress(1, ACCOUNT, "old", "smtp.old.example", 587)],
        migrations=[moved],
    )
    late, *_ = of(spool, relieved).parts  # x.example is the old provider's to send, at once
    assert late.held is Held.ALLOWANCE  # the day's is spent just before midnight
    assert late.last_at == (DAY + 1) * DAY_MS - 900_000
    wait = msgspec.structs.replace(moved, on_spent=OnSpent.WAIT)
    waits = msgspec.structs.replace(relieved, migrations=[wait])
    assert (of(spool, waits).last_at or 0) > (DAY + 1) * DAY_MS


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
    said = {name: sentence(of(spool, using)) for name, using in told.items()}
    assert "70 messages to Gmail and Google Workspace are paused by order" in said["order"]
    assert "70 messages wait for the pace that route:127.0.0.1:25 bears (192.0.2.1)" in said["pace"]
    assert said["suspended"] == "71 messages wait: the account is suspended: not paid"
    assert "is not to be foreseen" in said["none"]
    assert "wait for a sending IP" in said["none"]


def test_a_shard_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "01.sqlite3").write_bytes(b"no database" * 100)
    with pytest.raises(SpoolUnavailable, match="what waits cannot be read"):
        of(tmp_path)


async def _put(spool: Path, *batches: bytes) -> None:
    shard = Shard(spool, 1, SystemClock())
    for one in batches:
        await shard.append(one)
    await shard.close()


WARM = policy(25, ips=[SendingIp(IP, "mta1.kirim.example")], routes=[])


def test_providers_and_paces_are_those_the_worker_knows(tmp_path: Path) -> None:
    """A domain of one's own may well be at Gmail; its name does not say so."""
    asyncio.run(_put(tmp_path, batch("a@kantor.example", now=NOON, campaign_id="spring")))
    slowed = LaneStatus(
        *(IP, "google", 0, 1, 1, 1, 10, 600),
        reason="Gmail refuses",
        until=NOON + HOUR_MS,
        paused_until=NOON + HOUR_MS,
    )
    (part,) = of(tmp_path, WARM, known=KnownWays({"kantor.example": "google"}, [slowed])).parts
    assert (part.queue.provider, part.held) == ("google", Held.PAUSE)
    assert part.last_at == pytest.approx(NOON + HOUR_MS, abs=900_000)
    (part,) = of(tmp_path, WARM).parts
    assert (part.queue.provider, part.held) == ("kantor.example", Held.NOTHING)


def test_who_has_not_moved_goes_by_the_old_provider_at_its_pace(tmp_path: Path) -> None:
    """Buckets below 2,000 are ours at Google; nobody has moved elsewhere."""
    google = [f"u{n}@gmail.com" for n in range(100)]
    buckets = [n * 100 for n in range(100)]
    asyncio.run(
        _put(
            tmp_path,
            batch(*google, now=NOON, buckets=buckets, campaign_id="spring"),
            batch("a@x.example", now=NOON, campaign_id="spring"),
        )
    )
    moving = msgspec.structs.replace(
        WARM,
        egresses=[Egress(1, ACCOUNT, "old", "smtp.old.example", 587, messages_per_minute=1)],
        migrations=[Migration(ACCOUNT, POOL, 1, [Share("google", 2_000)])],
    )
    found = of(tmp_path, moving)
    assert {(p.queue.provider, p.queue.by_old): p.messages for p in found.parts} == {
        ("google", False): 20,
        ("google", True): 80,
        ("x.example", True): 1,
    }
    assert found.last_at == pytest.approx(NOON + 81 * 60_000, abs=900_000)
    assert "messages to Gmail and Google Workspace wait for the pace of the old" in sentence(found)
    assert [part["by_old_provider"] for part in document(found)["parts"]].count(True) == 2


@pytest.mark.parametrize(
    ("hours", "held", "told"),
    [
        (LocalHours(at=540), Held.LOCAL_HOUR, "waits for its recipient's local hour, the last "),
        (LocalHours(quiet_from=1260, quiet_to=420), Held.QUIET_HOURS, "the end of its recipient's"),
        (None, Held.SCHEDULE, "is scheduled, the last Tue 22 Sep"),
    ],
)
def test_it_tells_local_hours_from_schedules(
    tmp_path: Path, hours: LocalHours | None, held: Held, told: str
) -> None:
    later = batch("a@x.example", now=NOON, due_at=NOON + DAY_MS, campaign_id="spring", hours=hours)
    asyncio.run(_put(tmp_path, later))
    found = of(tmp_path, WARM)
    assert [part.held for part in found.parts] == [held]
    assert told in sentence(found)


def test_while_all_delivery_is_held_there_is_no_moment(spool: Path) -> None:
    found = of(spool, held="a restore")
    assert sentence(found) == "71 messages wait: all delivery is held: a restore"
    assert (found.last_at, document(found)["parts"][0]["last_at"]) == (None, None)


def test_tiers_that_a_warming_ip_does_not_take_wait_for_others(tmp_path: Path) -> None:
    ip = SendingIp(IP, "mta1.kirim.example", first_allowance=100, engaged_within_days=30)
    one = batch("a@x.example", now=NOON, campaign_id="spring", tier=2)
    asyncio.run(_put(tmp_path, one, batch("b@x.example", now=NOON, campaign_id="spring", tier=5)))
    found = of(tmp_path, policy(25, ips=[ip], routes=[]))
    assert {part.held for part in found.parts} == {Held.ENGAGEMENT, Held.NOTHING}


def test_all_campaigns_are_told_in_both_languages(spool: Path) -> None:
    found = Outlooks(spool, lambda: WARMING).all(ACCOUNT, 1, NOON)
    assert [one.campaign_id for one in found] == ["spring", "autumn"]
    with translation.override("id"):
        assert "menunggu jatah besok di Gmail" in sentence(found[0])
        assert "antara" not in sentence(found[0])


def test_an_overflow_pool_takes_mail_once_the_allowance_is_spent(tmp_path: Path) -> None:
    """As in delivery: a limit of the whole IP goes at once, a provider's over the day."""
    some = [f"u{n}@gmail.com" for n in range(30)]
    asyncio.run(_put(tmp_path, batch(*some, now=NOON, campaign_id="spring")))
    spare = Pool(12, ACCOUNT, "spare", [SendingIp("192.0.2.9", "mta9.kirim.example")])
    last = []
    for limit in ({"messages_per_day": 10}, {"first_allowance": 10}):
        cold = Pool(POOL, ACCOUNT, "default", [SendingIp(IP, "mta1.kirim.example", **limit)], 12)
        last.append(of(tmp_path, policy(25, routes=[], pools=[cold, spare])).last_at)
    assert last[0] == pytest.approx(NOON, abs=900_000)
    assert last[1] == pytest.approx((DAY + 1) * DAY_MS, abs=900_000)
