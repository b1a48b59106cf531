from __future__ import annotations

import pytest

from merpati.accounts.models import AuditEntry
from merpati.sending.errors import (
    InvalidValue,
    OverflowRefused,
    PoolExists,
    PoolNotFound,
    PoolReserved,
)
from merpati.sending.models import IpPool
from merpati.sending.pools import create_pool, delete_pool, find_pool, pools_of, update_pool
from merpati.sending.sending_ips import add_sending_ip, find_sending_ip
from tests.support.control import BY, NOW, make_account

pytestmark = pytest.mark.django_db


def make(account_id: int, name: str, overflow: str = "") -> IpPool:
    return create_pool(account_id, name, overflow=overflow, by=BY, now=NOW)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Marketing IP Pool", "marketing_ip_pool"),
        (" a-b.c ", "a_b_c"),
        ("Été", "_t_"),
        ("warm2", "warm2"),
    ],
)
def test_a_pools_id_is_made_from_its_name(name: str, slug: str) -> None:
    assert make(make_account().pk, name).slug == slug


def test_a_pools_id_is_found_in_any_case_and_stays_when_it_is_renamed() -> None:
    account = make_account()
    make(account.pk, "Marketing")
    update_pool(account.pk, "MARKETING", name="Newsletters", by=BY, now=NOW)
    pool = find_pool(account.pk, "Marketing")
    assert (pool.slug, pool.name) == ("marketing", "Newsletters")


def test_a_pool_is_named_once_an_account() -> None:
    account = make_account()
    make(account.pk, "Marketing")
    for name in ("marketing", "Default"):
        with pytest.raises(PoolExists, match=f"{name.lower()} already exists"):
            make(account.pk, name)
    make(make_account().pk, "Marketing")


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb"])
def test_a_pool_needs_a_name(name: str) -> None:
    with pytest.raises(InvalidValue, match="1 to 100"):
        make(make_account().pk, name)


def test_values_are_changed_one_by_one_and_cleared_by_an_empty_text() -> None:
    account = make_account()
    make(account.pk, "Big")
    make(account.pk, "Small")
    update_pool(account.pk, "small", signing_domain="Kirim.Example", overflow="big", by=BY, now=NOW)
    update_pool(account.pk, "small", fbl_signing_domain="fbl.kirim.example", by=BY, now=NOW)
    pool = find_pool(account.pk, "small")
    assert (pool.signing_domain, pool.fbl_signing_domain) == ("kirim.example", "fbl.kirim.example")
    assert pool.overflow_pool is not None
    assert pool.overflow_pool.slug == "big"
    update_pool(account.pk, "small", signing_domain="", overflow="", by=BY, now=NOW)
    pool = find_pool(account.pk, "small")
    assert (pool.signing_domain, pool.overflow_pool) == ("", None)
    assert pool.fbl_signing_domain == "fbl.kirim.example"


def test_the_default_pool_is_reserved() -> None:
    account = make_account()
    with pytest.raises(
        PoolReserved, match=r"^IP Pool default is reserved and cannot be updated\.$"
    ):
        update_pool(account.pk, "Default", name="x", by=BY, now=NOW)
    with pytest.raises(PoolReserved, match=r"^IP Pool default is reserved\.$"):
        delete_pool(account.pk, "default", by=BY, now=NOW)
    assert pools_of(account.pk).count() == 1


def test_a_deleted_pools_ips_go_to_default_and_nothing_overflows_into_it() -> None:
    account = make_account()
    make(account.pk, "Big")
    make(account.pk, "Small", overflow="big")
    add_sending_ip(account.pk, "192.0.2.1", "a.example.org", pool="big", by=BY, now=NOW)
    delete_pool(account.pk, "big", by=BY, now=NOW)
    assert find_sending_ip(account.pk, "192.0.2.1").pool.slug == "default"
    assert find_pool(account.pk, "small").overflow_pool is None
    with pytest.raises(PoolNotFound, match=r"^IP pool not found\.$"):
        find_pool(account.pk, "big")
    assert AuditEntry.objects.latest("pk").detail == {"moved": ["192.0.2.1"]}


def test_an_unknown_pool_is_not_deleted() -> None:
    with pytest.raises(PoolNotFound, match=r"^IP Pool nope does not exist\.$"):
        delete_pool(make_account().pk, "nope", by=BY, now=NOW)


def test_another_accounts_pool_does_not_exist() -> None:
    account, stranger = make_account(), make_account()
    make(account.pk, "Mine")
    with pytest.raises(PoolNotFound):
        find_pool(stranger.pk, "mine")
    with pytest.raises(PoolNotFound):
        update_pool(stranger.pk, "mine", name="Yours", by=BY, now=NOW)
    with pytest.raises(PoolNotFound):
        delete_pool(stranger.pk, "mine", by=BY, now=NOW)
    with pytest.raises(OverflowRefused, match=r"^Auto Warmup Overflow Pool mine does not exist\.$"):
        make(stranger.pk, "Yours", overflow="mine")


def test_an_overflow_pool_is_one_step_and_no_chain() -> None:
    account = make_account()
    make(account.pk, "Big")
    make(account.pk, "Small", overflow="big")
    refusals = [
        ("small", "Tiny", "small has an overflow pool and cannot be an overflow pool"),
        ("nope", "Tiny", "Auto Warmup Overflow Pool nope does not exist."),
        ("shared pool", "Tiny", "Auto Warmup Overflow Pool shared pool does not exist."),
    ]
    for overflow, name, text in refusals:
        with pytest.raises(OverflowRefused) as refused:
            make(account.pk, name, overflow=overflow)
        assert refused.value.message == text
    make(account.pk, "Other")
    changes = [
        ("big", "other", "big is an overflow pool and cannot have an overflow pool"),
        ("other", "other", "other cannot be its own overflow pool"),
    ]
    for slug, overflow, text in changes:
        with pytest.raises(OverflowRefused) as refused:
            update_pool(account.pk, slug, overflow=overflow, by=BY, now=NOW)
        assert refused.value.message == text


def test_listing_pools_costs_two_queries(django_assert_num_queries) -> None:
    account = make_account()
    make(account.pk, "Big")
    make(account.pk, "Small", overflow="big")
    add_sending_ip(account.pk, "192.0.2.1", "a.example.org", pool="big", by=BY, now=NOW)
    with django_assert_num_queries(2):
        shown = [
            (pool.slug, pool.overflow_pool and pool.overflow_pool.slug, len(pool.sending_ips.all()))
            for pool in pools_of(account.pk)
        ]
    assert shown == [("default", None, 0), ("big", None, 1), ("small", "big", 0)]
