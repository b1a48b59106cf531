"""Campaigns on their way: for the account's members, for the desk, for nobody else."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from merpati.adapters.clock import SystemClock
from merpati.console import services
from merpati.console.campaigns import MOST_PARTS
from merpati.contracts.batch import LocalHours
from merpati.events.campaign_outlook import Outlooks
from merpati.sending.policy import build
from merpati.sending.sending_ips import add_sending_ip
from merpati.spool.shard import Shard
from tests.console.conftest import Browser, add_user
from tests.desk.cases import BY, MONDAY, Desk
from tests.support.worker import batch

NOW = int(MONDAY.timestamp() * 1000)
HOUR_MS = 3_600_000


@pytest.fixture
def waiting(desk: Desk, tmp_path: Path) -> Desk:
    """Spring goes at nine by its recipients' clocks, autumn has an IP that warms up."""
    account = desk.account
    ip = add_sending_ip(account.pk, "192.0.2.41", "mta1.kirim.example", by=BY, now=MONDAY)
    ip.warms_by_provider = True
    ip.save()

    def of(campaign: str, *to: str, hours: LocalHours | None = None, due_at: int = NOW) -> bytes:
        return batch(
            *to,
            now=NOW,
            due_at=due_at,
            account_id=account.pk,
            pool_id=ip.pool_id,
            campaign_id=campaign,
            hours=hours,
        )

    async def put() -> None:
        shard = Shard(tmp_path / "spool", account.shard, SystemClock())
        nine = LocalHours(at=540)
        await shard.append(of("spring<b>", "a@x.example", hours=nine, due_at=NOW + 5 * HOUR_MS))
        await shard.append(of("autumn", *(f"u{n}@gmail.com" for n in range(300))))
        await shard.append(of("", "b@y.example"))
        await shard.close()

    asyncio.run(put())
    policy = build("bounces.example")  # read from a file in earnest
    console = services.services()
    services.use(replace(console, outlooks=Outlooks(tmp_path / "spool", lambda: policy)))
    return desk


def test_without_mail_the_page_says_what_will_be_there(owner: Browser) -> None:
    page = owner.page("/campaigns")
    assert "No mail waits" in page
    assert 'href="/campaigns"' in page  # of the navigation


def test_members_see_when_each_campaign_is_done_and_what_holds_it(
    waiting: Desk, colleague: Browser
) -> None:
    page = colleague.page("/campaigns")
    autumn, spring, rest = page.split("<section")[1:]
    assert "300 messages wait" in autumn
    assert "allowance at Gmail and Google Workspace (192.0.2.41)" in autumn
    assert "between <time" in autumn
    assert "spring&lt;b&gt;" in spring
    assert "local hour" in spring
    assert "Mail without a campaign" in rest
    assert "<script" not in page.split("<main")[1]


def test_of_many_providers_those_that_leave_last_are_shown(
    waiting: Desk, owner: Browser, tmp_path: Path
) -> None:
    async def put() -> None:
        shard = Shard(tmp_path / "spool", waiting.account.shard, SystemClock())
        to = [f"a@d{number}.example" for number in range(MOST_PARTS + 3)]
        account = waiting.account.pk
        await shard.append(batch(*to, now=NOW, account_id=account, campaign_id="wide"))
        await shard.close()

    asyncio.run(put())
    (wide,) = [one for one in owner.page("/campaigns").split("<section") if ">wide " in one]
    assert wide.count('<th scope="row">') == MOST_PARTS
    assert "3 further providers are done sooner." in wide


def test_it_is_told_in_the_viewers_language_and_zone(waiting: Desk) -> None:
    reader = Browser(add_user("Putri", waiting.account, language="id"))
    page = reader.page("/campaigns")
    assert "menunggu jam setempat penerimanya" in page
    assert "WIB" in page
    assert "messages" not in page.split("<main")[1]


def test_a_stranger_sees_nothing_of_it_and_the_desk_all(
    waiting: Desk, stranger: Browser, owner: Browser, budi: Browser
) -> None:
    path = f"/desk/accounts/{waiting.account.pk}/campaigns"
    assert "No mail waits" in stranger.page("/campaigns")
    assert Client().get("/campaigns")["Location"].startswith("/sign-in?next=")
    assert "autumn" in budi.page(path)
    for who in (stranger, owner):
        who.page(path, 404)
    budi.page("/desk/accounts/999/campaigns", 404)


def test_an_account_without_access_finds_no_page(desk: Desk) -> None:
    Browser(add_user("Nobody")).page("/campaigns", 404)


def test_a_spool_that_cannot_be_read_is_said(desk: Desk, owner: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir(exist_ok=True)
    (folder / f"{desk.account.shard:02}.sqlite3").write_bytes(b"no database" * 100)
    assert "What waits cannot be read just now" in owner.page("/campaigns")


def test_the_page_costs_the_same_whatever_waits(
    waiting: Desk, owner: Browser, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    owner.page("/campaigns")
    with django_assert_num_queries(4):
        owner.page("/campaigns")
