from __future__ import annotations

from datetime import date

import pytest
from django.db import IntegrityError, connection, transaction

from merpati.accounts.actions import create_account, find_account
from merpati.accounts.errors import AccountExists, AccountNotFound, InvalidOrder
from merpati.accounts.keys import authenticate
from merpati.accounts.models import Account, AuditEntry
from merpati.accounts.signals import account_created
from merpati.sending.models import IpPool
from tests.support.control import BY, NOW, make_account

pytestmark = pytest.mark.django_db


def test_an_account_has_its_order_form_a_shard_a_default_pool_and_a_key() -> None:
    created = create_account(
        " Toko Kirim ",
        "premium",
        "us-pacific",
        by=BY,
        now=NOW,
        term_months=12,
        term_starts_on=date(2026, 3, 1),
    )
    account = Account.objects.get()
    assert account.name == "Toko Kirim"
    assert (account.plan, account.service_time_zone) == ("premium", "us-pacific")
    assert (account.term_months, account.term_starts_on) == (12, date(2026, 3, 1))
    assert account.shard == account.pk % 16
    assert [pool.slug for pool in account.ip_pools.all()] == ["default"]
    identity = authenticate(created.api_key)
    assert identity is not None
    assert identity.account_id == account.pk
    assert len(identity.grants) == 34  # 32 of SparkPost, 2 of our own
    assert "transmissions/modify" in identity.grants


def test_accounts_are_spread_over_the_shards() -> None:
    accounts = [make_account() for _ in range(17)]
    assert len({account.shard for account in accounts}) == 16


@pytest.mark.control_database
@pytest.mark.parametrize(
    ("order", "field", "words"),
    [
        ({"name": "  "}, "name", "1 to 200 printable"),
        ({"name": "a\nb"}, "name", "printable"),
        ({"name": "x" * 201}, "name", "1 to 200"),
        ({"name": "42"}, "name", "more than a number"),
        ({"plan": "gold"}, "plan", "offered: premium"),
        ({"service_time_zone": "mars"}, "service_time_zone", "us-eastern, us-pacific, uk"),
        ({"term_months": 0}, "term_months", "1 to 120"),
    ],
)
def test_a_wrong_line_of_the_order_form_is_refused(
    order: dict[str, object], field: str, words: str
) -> None:
    form = {"name": "Toko", "plan": "premium", "service_time_zone": "uk"} | order
    with pytest.raises(InvalidOrder, match=words) as refused:
        create_account(**form, by=BY, now=NOW)  # type: ignore[arg-type]
    assert refused.value.field == field
    assert Account.objects.count() == 0


def test_the_database_knows_the_plans_and_zones_too() -> None:
    account = make_account()
    for column in ("plan", "service_time_zone"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE accounts_account SET {column} = 'gold'")
    assert Account.objects.get() == account


def test_a_name_is_given_once() -> None:
    make_account("Toko")
    with pytest.raises(AccountExists, match="'Toko'"):
        make_account("Toko")
    assert Account.objects.count() == 1


def test_a_pool_that_cannot_be_made_undoes_the_account() -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("no pool")

    account_created.connect(fail)
    try:
        with pytest.raises(RuntimeError, match="no pool"):
            make_account()
    finally:
        account_created.disconnect(fail)
    assert not Account.objects.exists()
    assert not IpPool.objects.exists()
    assert not AuditEntry.objects.exists()


def test_an_account_is_found_by_number_and_by_name() -> None:
    account = make_account("Toko")
    assert find_account(str(account.pk)) == account
    assert find_account("Toko") == account
    for reference in ("Other", str(account.pk + 1), "9" * 30):
        with pytest.raises(AccountNotFound, match="merpati account list"):
            find_account(reference)
