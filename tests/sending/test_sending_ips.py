from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction

from merpati.accounts.errors import AccountNotFound
from merpati.accounts.models import AuditEntry
from merpati.sending import sending_ips
from merpati.sending.errors import (
    InvalidValue,
    PoolNotFound,
    SendingIpInUse,
    SendingIpLimitReached,
    SendingIpNotFound,
    WarmupStageRefused,
)
from merpati.sending.models import SendingIp
from merpati.sending.policy import current_version
from merpati.sending.pools import create_pool
from merpati.sending.sending_ips import (
    add_sending_ip,
    find_sending_ip,
    move_sending_ip,
    remove_sending_ip,
    sending_ips_of,
    update_sending_ip,
)
from tests.support.control import BY, NOW, make_account, run_script, start_script

pytestmark = pytest.mark.django_db


def add(account_id: int, last: int, **options: object) -> SendingIp:
    return add_sending_ip(
        account_id,
        f"192.0.2.{last}",
        f"mta{last}.kirim.example",
        by=BY,
        now=NOW,
        **options,  # type: ignore[arg-type]
    )


def test_the_seventh_sending_ip_is_refused() -> None:
    account = make_account("Toko")
    for last in range(1, 7):
        add(account.pk, last)
    version, entries = current_version(), AuditEntry.objects.count()
    with pytest.raises(
        SendingIpLimitReached, match=r"six.*clause C1.*merpati ip remove"
    ) as refused:
        add(account.pk, 7)
    assert refused.value.field == "address"
    assert [ip.slot for ip in sending_ips_of(account.pk)] == [1, 2, 3, 4, 5, 6]
    assert (current_version(), AuditEntry.objects.count()) == (version, entries)


@pytest.mark.control_database
@pytest.mark.parametrize("slot", [0, 6, 7])
def test_the_database_itself_refuses_the_seventh(slot: int) -> None:
    account = make_account()
    ips = [add(account.pk, last) for last in range(1, 7)]
    with (
        pytest.raises(IntegrityError, match=r"constraint"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "INSERT INTO sending_sendingip (account_id, pool_id, address, hostname, slot,"
            " auto_warmup_enabled, created_at) VALUES (%s, %s, '192.0.2.7', 'x.example', %s, %s,"
            " '2026-02-03')",
            [account.pk, ips[0].pool_id, slot, False],
        )
    assert SendingIp.objects.count() == 6


def test_the_lowest_free_place_is_taken() -> None:
    account = make_account()
    for last in range(1, 7):
        add(account.pk, last)
    remove_sending_ip(account.pk, "192.0.2.3", by=BY, now=NOW)
    assert add(account.pk, 9).slot == 3


def test_a_place_lost_to_another_request_means_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = make_account()
    add(account.pk, 1)
    real, answers = sending_ips._free_slot, [1, 1]  # what a racing request would still see
    monkeypatch.setattr(
        sending_ips, "_free_slot", lambda account_id: answers.pop() if answers else real(account_id)
    )
    assert add(account.pk, 2).slot == 2
    assert not answers


RACE = """
import concurrent.futures
from django.db import connection
from merpati.sending.errors import SendingIpLimitReached
from merpati.sending.sending_ips import add_sending_ip

def ask(last):
    try:
        return add_sending_ip(1, f"192.0.2.{last}", "mta.kirim.example", by=BY, now=NOW).slot
    except SendingIpLimitReached:
        return None
    finally:
        connection.close()

print("ready", flush=True)
sys.stdin.readline()
with concurrent.futures.ThreadPoolExecutor(6) as pool:
    first = int(sys.argv[1])
    print(json.dumps(list(pool.map(ask, range(first, first + 6)))))
"""


def test_a_race_for_the_places_leaves_six(tmp_path: Path) -> None:
    """Two processes of six threads each, on a real file, for six places."""
    prepare = "from tests.support.control import make_account; make_account(); print('ready')"
    data = tmp_path / "data"
    assert run_script(data, prepare) == "ready\n"
    racers = [start_script(data, RACE, str(first)) for first in (10, 20)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    slots = [slot for racer in racers for slot in json.loads(racer.communicate("go\n", 60)[0])]
    assert sorted(slot for slot in slots if slot) == [1, 2, 3, 4, 5, 6]
    assert slots.count(None) == 6
    count = "from merpati.sending.models import SendingIp; print(SendingIp.objects.count())"
    assert run_script(data, count) == "6\n"


def test_an_address_serves_one_account_alone() -> None:
    first, second = make_account(), make_account()
    add(first.pk, 1)
    for account in (first, second):
        with pytest.raises(SendingIpInUse, match=r"192\.0\.2\.1 is assigned already"):
            add(account.pk, 1)


@pytest.mark.parametrize(
    "address", ["", "mta1", "192.0.2", "192.0.2.256", "192.0.2.01", "2001:db8::1", "1.2.3.4/32"]
)
def test_what_is_no_ipv4_address_is_refused_in_sparkposts_words(address: str) -> None:
    with pytest.raises(InvalidValue, match=r"^external ip must be a valid IPv4 address$"):
        add_sending_ip(make_account().pk, address, "mta.kirim.example", by=BY, now=NOW)


@pytest.mark.parametrize("address", ["0.0.0.0", "224.0.0.1", "255.255.255.255"])
def test_an_address_mail_cannot_leave_from_is_refused(address: str) -> None:
    with pytest.raises(InvalidValue, match="no address that mail can leave from"):
        add_sending_ip(make_account().pk, address, "mta.kirim.example", by=BY, now=NOW)


@pytest.mark.parametrize("hostname", ["", "mta1", "mta 1.example", "mta_1.example", "-.example"])
def test_what_is_no_host_name_is_refused(hostname: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        add_sending_ip(make_account().pk, "192.0.2.1", hostname, by=BY, now=NOW)
    assert refused.value.field == "hostname"


def test_an_ip_is_warm_unless_told_otherwise() -> None:
    account = make_account()
    warm, warming = add(account.pk, 1), add(account.pk, 2, warm_up=True)
    assert (warm.auto_warmup_enabled, warm.auto_warmup_stage) == (False, None)
    assert (warming.auto_warmup_enabled, warming.auto_warmup_stage) == (True, 1)


def test_an_ip_moves_between_pools_of_its_account_only() -> None:
    account, other = make_account(), make_account()
    create_pool(account.pk, "Marketing", by=BY, now=NOW)
    create_pool(other.pk, "Elsewhere", by=BY, now=NOW)
    add(account.pk, 1)
    assert move_sending_ip(account.pk, "192.0.2.1", "MARKETING", by=BY, now=NOW)
    assert find_sending_ip(account.pk, "192.0.2.1").pool.slug == "marketing"
    with pytest.raises(PoolNotFound, match=r"IP pool not found\."):
        move_sending_ip(account.pk, "192.0.2.1", "elsewhere", by=BY, now=NOW)
    with pytest.raises(PoolNotFound):
        add(account.pk, 2, pool="elsewhere")
    assert find_sending_ip(account.pk, "192.0.2.1").pool.slug == "marketing"


def test_another_accounts_ip_does_not_exist() -> None:
    add(make_account().pk, 1)
    stranger = make_account().pk
    for attempt in (
        lambda: find_sending_ip(stranger, "192.0.2.1"),
        lambda: move_sending_ip(stranger, "192.0.2.1", "default", by=BY, now=NOW),
        lambda: update_sending_ip(stranger, "192.0.2.1", auto_warmup_enabled=True, by=BY, now=NOW),
        lambda: remove_sending_ip(stranger, "192.0.2.1", by=BY, now=NOW),
    ):
        with pytest.raises(SendingIpNotFound, match=r"^Sending IP does not exist$"):
            attempt()
    assert SendingIp.objects.count() == 1


def test_an_unknown_account_gets_no_ip() -> None:
    with pytest.raises(AccountNotFound):
        add(99, 1)


def test_a_refused_change_of_warm_up_leaves_the_pool_too() -> None:
    account = make_account()
    create_pool(account.pk, "Marketing", by=BY, now=NOW)
    add(account.pk, 1, warm_up=True)
    with pytest.raises(WarmupStageRefused):
        update_sending_ip(
            account.pk, "192.0.2.1", pool="marketing", auto_warmup_stage=2, by=BY, now=NOW
        )
    ip = find_sending_ip(account.pk, "192.0.2.1")
    assert (ip.pool.slug, ip.auto_warmup_stage) == ("default", 1)


def test_the_audit_trail_tells_before_and_after() -> None:
    account = make_account()
    create_pool(account.pk, "Marketing", by=BY, now=NOW)
    add(account.pk, 1, warm_up=True)
    move_sending_ip(account.pk, "192.0.2.1", "marketing", by="api:key 1f3a", now=NOW)
    entry = AuditEntry.objects.latest("pk")
    assert (entry.actor, entry.action, entry.subject) == (
        "api:key 1f3a",
        "update_sending_ip",
        "192.0.2.1",
    )
    assert (entry.detail["before"]["pool"], entry.detail["after"]["pool"]) == (
        "default",
        "marketing",
    )


def test_listing_ips_costs_one_query(django_assert_num_queries) -> None:
    account = make_account()
    for last in range(1, 7):
        add(account.pk, last)
    with django_assert_num_queries(1):
        assert [ip.pool.slug for ip in sending_ips_of(account.pk)] == ["default"] * 6
