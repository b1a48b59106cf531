"""Old providers on the console: set up, checked, removed by their own account and the desk."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from merpati.console import services
from merpati.sending.egresses import add_egress
from merpati.sending.models import Egress
from merpati.sending.outside import Outside
from merpati.sending.routes import checked_login
from tests.console.conftest import Browser
from tests.desk.cases import BY, MONDAY, Desk
from tests.support.smtp_sink import SmtpSink

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
FORM = {
    "name": "old", "host": "smtp.old.example", "port": "587", "tls": "verify", "user": "kirim",
    "password": "rahasia-42", "connections": "5", "messages_per_minute": "",
}  # fmt: skip


@pytest.fixture
def relay() -> Iterator[SmtpSink]:
    """An old provider that really listens, on a loop of its own."""
    sink, loop, stop = SmtpSink(), asyncio.new_event_loop(), asyncio.Event()
    sink.users = {"kirim": "rahasia-42"}
    started = threading.Event()

    async def serve() -> None:
        async with sink.running():
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert started.wait(10)
    yield sink
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


@pytest.fixture
def old(desk: Desk, relay: SmtpSink) -> Egress:
    """The account's egress that leads to the relay, with the password it wants."""
    login = checked_login("kirim", "rahasia-42", services.services().secret_box)
    where = ("old", "127.0.0.1", relay.port)
    return add_egress(desk.account.pk, *where, tls="none", login=login, by=BY, now=MONDAY)


def _allow_loopback(**changes: Any) -> None:
    services.use(replace(services.services(), outside=Outside(LOOPBACK, **changes)))


def test_an_owner_adds_one_and_its_password_is_never_shown(owner: Browser) -> None:
    assert "No old provider yet" in owner.page("/old-providers")
    kept = owner.post("/old-providers/new", FORM)
    row = Egress.objects.get()
    assert kept["Location"] == f"/old-providers/{row.pk}"
    assert services.services().secret_box.decrypt(bytes(row.password)) == b"rahasia-42"
    for page in (owner.page("/old-providers"), owner.page(f"/old-providers/{row.pk}")):
        assert "smtp.old.example" in page
        assert "rahasia" not in page
    again = owner.post("/old-providers/new", FORM)
    assert b"Another old provider has this name" in again.content
    assert b"rahasia" not in again.content


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({"name": "a b"}, "A name has 1 to 100 letters", id="name"),
        pytest.param({"host": ""}, "Write a host name or an address", id="host"),
        pytest.param({"port": "99999"}, "a port from 1 to 65535", id="port"),
        pytest.param({"password": ""}, "Write the password", id="password"),
        pytest.param({"tls": "none"}, "does not go unencrypted", id="in the clear"),
        pytest.param({"connections": "0"}, "from 1 to 1,000,000", id="connections"),
        pytest.param({"messages_per_minute": "-1"}, "from 1 to 1,000,000", id="rate"),
    ],
)
def test_what_cannot_be_kept_is_told_and_kept_nowhere(
    owner: Browser, changes: dict[str, str], told: str
) -> None:
    answer = owner.post("/old-providers/new", FORM | changes)
    assert (answer.status_code, told in answer.content.decode()) == (422, True)
    assert not Egress.objects.exists()


def test_check_now_really_logs_in_and_says_so(owner: Browser, old: Egress, relay: SmtpSink) -> None:
    _allow_loopback()
    one = f"/old-providers/{old.pk}"
    assert "Nobody looked yet" in owner.page(one)
    assert owner.post(f"{one}/check")["Location"] == one
    assert "It lets us in." in owner.page(one)
    assert relay.connections[0].user == "kirim"
    relay.users = {"kirim": "another"}
    owner.post(f"{one}/check")
    assert "It refused the user or password: 535" in owner.page(one)
    owner.post(one, FORM | {"host": "127.0.0.1", "port": str(relay.port), "tls": "none"})
    assert "Nobody looked yet" in owner.page(one)  # not as it is now


def test_a_slow_one_and_one_that_vanished_are_told_apart(
    owner: Browser, old: Egress, relay: SmtpSink
) -> None:
    silent = threading.Event()

    async def say_nothing(_: Any) -> None:
        await asyncio.to_thread(silent.wait, 10)

    _allow_loopback(seconds=0.2)
    one, relay.converse = f"/old-providers/{old.pk}", say_nothing
    owner.post(f"{one}/check")
    silent.set()
    assert "It did not answer within" in owner.page(one)
    Egress.objects.update(port=9)
    owner.post(f"{one}/check")
    assert "No connection: connection refused" in owner.page(one)


def test_an_internal_address_is_not_connected_to_unless_the_operator_allows(
    owner: Browser, old: Egress, relay: SmtpSink
) -> None:
    one = f"/old-providers/{old.pk}"
    owner.post(f"{one}/check")
    assert "It has no public address" in owner.page(one)
    assert not relay.connections


def test_the_password_that_is_kept_goes_to_no_other_host(owner: Browser, old: Egress) -> None:
    one, unsaid = f"/old-providers/{old.pk}", FORM | {"tls": "none", "password": ""}
    here = {"host": old.host, "port": str(old.port)}
    elsewhere = owner.post(one, unsaid | {"host": "127.0.0.9"})
    assert (elsewhere.status_code, b"to no other" in elsewhere.content) == (422, True)
    assert owner.post(one, unsaid | here | {"connections": "2"})["Location"] == one
    changed = Egress.objects.get()
    assert (changed.host, changed.connections) == ("127.0.0.1", 2)
    assert changed.password == old.password


def test_one_is_removed_unless_mail_goes_by_it(owner: Browser, old: Egress) -> None:
    assert owner.post(f"/old-providers/{old.pk}/remove")["Location"] == "/old-providers"
    assert not Egress.objects.exists()


def test_it_is_there_for_its_own_account_alone(
    owner: Browser, colleague: Browser, stranger: Browser, old: Egress
) -> None:
    one = f"/old-providers/{old.pk}"
    assert "Check now" in owner.page(one)
    assert "Check now" not in colleague.page(one)
    assert colleague.post(one, FORM).status_code == 403
    assert colleague.post(f"{one}/check").status_code == 403
    colleague.page("/old-providers/new", 403)
    stranger.page(one, 404)
    assert stranger.post(f"{one}/check").status_code == 404
    assert stranger.post(f"{one}/remove").status_code == 404
    assert "smtp.old" not in stranger.page("/old-providers")
    stranger.page(f"/desk/accounts/{old.account_id}/old-providers", 404)
    assert Egress.objects.exists()


def test_a_tam_sets_it_up_and_a_representative_looks(
    tina: Browser, budi: Browser, desk: Desk
) -> None:
    base = f"/desk/accounts/{desk.account.pk}/old-providers"
    kept = tina.post(f"{base}/new", FORM)
    one = f"{base}/{Egress.objects.get().pk}"
    assert kept["Location"] == one
    assert "Check now" in tina.page(one)
    assert "Check now" not in budi.page(one)
    assert budi.post(f"{one}/check").status_code == 403
    assert tina.post(f"{one}/remove")["Location"] == base
    tina.page("/desk/accounts/999/old-providers", 404)


def test_a_page_of_many_costs_no_more_queries(
    owner: Browser, desk: Desk, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        add_egress(desk.account.pk, f"o{number}", "smtp.old.example", 587, by=BY, now=MONDAY)
    with django_assert_max_num_queries(10):
        owner.page("/old-providers")
