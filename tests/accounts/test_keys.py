from __future__ import annotations

import re

import pytest

from merpati.accounts.actions import create_account, create_api_key, revoke_api_key
from merpati.accounts.errors import AccountNotFound, ApiKeyNotFound, InvalidKeyRequest
from merpati.accounts.keys import authenticate
from merpati.accounts.models import AuditEntry
from tests.support.control import BY, NOW, everything_stored, make_account

pytestmark = pytest.mark.django_db


def test_a_key_has_sparkposts_shape_and_says_whose_it_is() -> None:
    account = make_account()
    created = create_api_key(account.pk, "Shop", ["smtp/inject"], by=BY, now=NOW)
    assert re.fullmatch(r"[0-9a-f]{40}", created.key)
    identity = authenticate(created.key)
    assert identity is not None
    assert identity.account_id == account.pk
    assert identity.grants == {"smtp/inject"}
    assert identity.actor == f"api:key {created.key[:4]}"
    assert not identity.is_suspended


def test_a_key_is_nowhere_in_the_database() -> None:
    created = create_account("Toko", "premium", "uk", by=BY, now=NOW)
    second = create_api_key(created.account.pk, "Shop", by=BY, now=NOW)
    dump = everything_stored()
    assert "First key" in dump
    for key in (created.api_key, second.key):
        assert key[:4] in dump
        assert key[4:] not in dump


@pytest.mark.parametrize("key", ["", "nonsense", "a" * 40, "schlüssel", "\udcff"])
def test_an_unknown_key_is_nobodys(key: str) -> None:
    make_account()
    assert authenticate(key) is None


def test_a_revoked_key_is_nobodys_and_cannot_be_revoked_again() -> None:
    account = make_account()
    created = create_api_key(account.pk, "Shop", by=BY, now=NOW)
    revoke_api_key(account.pk, created.api_key.pk, by=BY, now=NOW)
    assert authenticate(created.key) is None
    with pytest.raises(ApiKeyNotFound):
        revoke_api_key(account.pk, created.api_key.pk, by=BY, now=NOW)


def test_another_accounts_key_cannot_be_revoked() -> None:
    created = create_api_key(make_account().pk, "Shop", by=BY, now=NOW)
    with pytest.raises(ApiKeyNotFound):
        revoke_api_key(make_account().pk, created.api_key.pk, by=BY, now=NOW)
    assert authenticate(created.key) is not None


def test_a_suspended_account_is_told_apart() -> None:
    created = create_account("Toko", "premium", "uk", by=BY, now=NOW)
    created.account.suspended_at = NOW
    created.account.save()
    identity = authenticate(created.api_key)
    assert identity is not None
    assert identity.is_suspended


def test_who_a_key_is_costs_one_query(django_assert_num_queries) -> None:
    created = create_account("Toko", "premium", "uk", by=BY, now=NOW)
    with django_assert_num_queries(1):
        authenticate(created.api_key)


@pytest.mark.parametrize(
    ("label", "grants", "words"),
    [
        ("", ["smtp/inject"], "label"),
        ("Shop", [], "one grant at least"),
        ("Shop", ["smtp/injekt"], "did you mean 'smtp/inject'"),
    ],
)
def test_a_wrong_key_request_is_refused(label: str, grants: list[str], words: str) -> None:
    account = make_account()
    with pytest.raises(InvalidKeyRequest, match=words):
        create_api_key(account.pk, label, grants, by=BY, now=NOW)


def test_an_unknown_account_gets_no_key() -> None:
    with pytest.raises(AccountNotFound):
        create_api_key(99, "Shop", by=BY, now=NOW)


def test_the_audit_trail_tells_what_was_done_and_holds_no_key() -> None:
    created = create_account("Toko", "premium", "uk", by="cli:root", now=NOW)
    second = create_api_key(created.account.pk, "Shop", by="api:key 1f3a", now=NOW)
    revoke_api_key(created.account.pk, second.api_key.pk, by="cli:root", now=NOW)
    trail = list(AuditEntry.objects.order_by("pk"))
    assert [(entry.actor, entry.action) for entry in trail] == [
        ("cli:root", "create_account"),
        ("cli:root", "create_api_key"),
        ("api:key 1f3a", "create_api_key"),
        ("cli:root", "revoke_api_key"),
    ]
    assert {entry.account_id for entry in trail} == {created.account.pk}
    assert {entry.at for entry in trail} == {NOW}
    assert trail[2].detail["label"] == "Shop"
    assert second.key not in str([(entry.subject, entry.detail) for entry in trail])
