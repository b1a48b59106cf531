"""Warm-up and alerts on the console: for the account's members, for the desk, for nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from merpati.accounts.models import User
from merpati.console.warmup.chart import HEIGHT, chart_of
from merpati.events import provider_days
from merpati.events.alerts import Kind, raise_alert
from merpati.events.models import Alert
from merpati.events.store import EventStore
from merpati.plans.models import WarmupOverride
from merpati.plans.warmup import actions
from merpati.plans.warmup.overview import ShownDay
from merpati.plans.warmup.step import WarmUp
from merpati.sending.sending_ips import add_sending_ip
from tests.console.conftest import Browser, add_user
from tests.desk.cases import BY, MONDAY, Desk

ADDRESS = "192.0.2.41"
WHO: dict[str, Any] = {"by": BY, "now": MONDAY}


def sent(folder: Path, provider: str, attempted: int, blocked: int = 0) -> None:
    """Count what went to a provider on the day that the tests stand at."""
    with EventStore(folder / "events.sqlite3") as store:
        key = (ADDRESS, provider_days.number_of(MONDAY.date()), provider)
        counts = [attempted, attempted, attempted - blocked, 0, blocked, *[0] * 5]
        store._db.execute("BEGIN")
        provider_days.add(store._db, {key: counts})
        store._db.execute("COMMIT")


@pytest.fixture
def warming(desk: Desk, tmp_path: Path) -> Desk:
    """An IP that Google takes mail from, and Yahoo blocks."""
    add_sending_ip(desk.account.pk, ADDRESS, "mta1.kirim.example", **WHO)
    actions.start(desk.account.pk, ADDRESS, **WHO)
    sent(tmp_path, "google", 90)
    sent(tmp_path, "yahoo", 40, blocked=30)
    WarmUp(tmp_path / "events.sqlite3").step(MONDAY, MONDAY)
    return desk


def test_an_account_without_ips_is_told_what_comes(owner: Browser) -> None:
    assert "No sending IP yet" in owner.page("/warm-up")
    assert "All is well" in owner.page("/alerts")


def test_the_list_leads_to_each_ip_and_says_who_blocks(warming: Desk, owner: Browser) -> None:
    page = owner.page("/warm-up")
    assert f'href="/warm-up/{ADDRESS}"' in page
    assert "Yahoo" in page
    assert "Google" not in page  # nothing is paused there


def test_an_ip_shows_each_provider_with_its_reason(warming: Desk, colleague: Browser) -> None:
    page = colleague.page(f"/warm-up/{ADDRESS}")
    google, yahoo = page.split("<section")[1:]
    assert "First day" in google
    assert "blocked" in yahoo
    assert "blocked 30 of 40 attempts" in yahoo
    assert '<rect class="is-refused"' in yahoo
    assert '<rect class="is-refused"' not in google
    assert "Decide an allowance by hand" not in page
    assert "<script" not in page.split("<main")[1]


def test_reasons_are_in_the_viewers_language(warming: Desk) -> None:
    reader = Browser(add_user("Putri", warming.account, language="id"))
    assert "30 dari 40 percobaan diblokir" in reader.page(f"/warm-up/{ADDRESS}")
    assert "memblokir email dari" in reader.page("/alerts")


@pytest.mark.parametrize("path", [f"/warm-up/{ADDRESS}", "/warm-up/nonsense", "/warm-up/9.9.9.9"])
def test_what_is_not_the_accounts_is_not_there(warming: Desk, stranger: Browser, path: str) -> None:
    stranger.page(path, 404)
    assert Client().get(path)["Location"].startswith("/sign-in?next=")


def test_a_page_costs_the_same_whatever_the_number_of_providers(
    warming: Desk, owner: Browser, tmp_path: Path, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    owner.page(f"/warm-up/{ADDRESS}")
    for number in range(20):
        sent(tmp_path, f"kantor{number}.example", 3)
    with django_assert_num_queries(8):
        page = owner.page(f"/warm-up/{ADDRESS}")
    assert "Providers with less mail" in page


def test_an_alert_is_seen_by_one_for_all_of_its_account(
    warming: Desk, owner: Browser, stranger: Browser
) -> None:
    alert = Alert.objects.get()
    page = owner.page("/alerts")
    assert "Yahoo" in page
    assert "30 of 40" in page
    assert "Yahoo" not in stranger.page("/alerts")
    assert stranger.post(f"/alerts/{alert.pk}/seen").status_code == 404
    assert owner.get(f"/alerts/{alert.pk}/seen").status_code == 405
    assert owner.post(f"/alerts/{alert.pk}/seen").status_code == 302
    alert.refresh_from_db()
    assert alert.seen_by.endswith("sari@kirim.example")
    assert "I have seen it" not in owner.page("/alerts")


def test_every_kind_of_alert_has_its_words(desk: Desk, owner: Browser) -> None:
    facts = {
        "sending_ip": ADDRESS, "provider": "google", "blocked": 1, "attempted": 1, "stage": 3,
        "migration": 1, "pool": "news", "share_kind": "by_block", "per_cent": "4",
    }  # fmt: skip
    for kind in Kind:
        raise_alert(desk.account.pk, kind, "test", facts, now=MONDAY)
    greeted = facts | {"at_greeting": 1}
    raise_alert(desk.account.pk, Kind.PROVIDER_BLOCK, "greeting", greeted, now=MONDAY)
    page = owner.page("/alerts")
    assert page.count(f"Warm-up of {ADDRESS}") == len(Kind) + 1
    assert "1 of 1 attempt of the day was refused" in page
    assert f"refuses connections from {ADDRESS} before any mail" in page


# The desk.


def base(desk: Desk) -> str:
    return f"/desk/accounts/{desk.account.pk}/warm-up"


def test_the_desk_sees_accounts_and_alerts_which_customers_do_not(
    warming: Desk, budi: Browser, owner: Browser
) -> None:
    assert f'href="{base(warming)}/{ADDRESS}"' in budi.page(base(warming))
    assert warming.account.name in budi.page("/desk/alerts")
    for path in (base(warming), f"{base(warming)}/{ADDRESS}", "/desk/alerts"):
        owner.page(path, 404)
    budi.page("/desk/accounts/999/warm-up", 404)
    alert = Alert.objects.get()
    assert budi.post(f"/desk/alerts/{alert.pk}/seen").status_code == 302
    assert budi.post("/desk/alerts/999/seen").status_code == 404


def test_a_tam_decides_by_hand_with_a_reason_that_the_customer_reads(
    warming: Desk, tina: Browser, budi: Browser, owner: Browser
) -> None:
    path = f"{base(warming)}/{ADDRESS}"
    form = {"provider": "yahoo", "messages": "500", "days": "2", "reason": "Yahoo lifted it."}
    assert budi.post(f"{path}/override", form).status_code == 403
    assert "Decide an allowance by hand" not in budi.page(path)
    assert "Decide an allowance by hand" in tina.page(path)
    assert tina.post(f"{path}/override", form)["Location"] == path
    made = WarmupOverride.objects.get()
    assert (made.messages, (made.last_day - made.first_day).days) == (500, 1)
    page = owner.page(f"/warm-up/{ADDRESS}")
    assert "Yahoo lifted it." in page
    assert "decided by hand" in page
    assert User.objects.get(name="Tina").email not in page


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("provider", "nobody", "Choose a provider"),
        ("messages", "many", "Write how many messages"),
        ("days", "31", "1 to 30"),
        ("reason", " ", "Say why"),
    ],
)
def test_a_decision_that_cannot_be_keeps_what_was_typed(
    warming: Desk, tina: Browser, field: str, value: str, words: str
) -> None:
    form = {"provider": "yahoo", "messages": "500", "days": "2", "reason": "Yahoo lifted it."}
    answer = tina.post(f"{base(warming)}/{ADDRESS}/override", form | {field: value})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert words in page
    assert 'value="500"' in page or field == "messages"
    assert not WarmupOverride.objects.exists()


# The chart.


def day(sent: int, allowance: int | None = None, refused: int = 0) -> ShownDay:
    return ShownDay(MONDAY.date(), allowance, sent, sent - refused, refused, None, None)


def test_bars_stand_on_the_ground_and_within_the_drawing() -> None:
    chart = chart_of([day(0, 100), day(50, 100, refused=10), day(200, 150), day(1, None)])
    assert chart.most == 200
    for bar in chart.bars:
        assert bar.taken_y + bar.taken == HEIGHT
        assert bar.refused_y + bar.refused == bar.taken_y
        assert bar.refused_y >= 0
    assert [bar.allowed_y for bar in chart.bars] == [50, 50, 25, None]
    assert (chart.bars[1].taken, chart.bars[1].refused) == (20, 5)
    assert chart.bars[3].taken == 1  # one message of two hundred is still to be seen
