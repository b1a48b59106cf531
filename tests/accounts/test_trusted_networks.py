"""Networks whose SMTP clients act as a key without its password."""

from __future__ import annotations

import pytest

from merpati.accounts.actions import create_api_key, revoke_api_key
from merpati.accounts.errors import InvalidKeyRequest
from merpati.accounts.models import ApiKey, AuditEntry
from merpati.accounts.trusted_networks import trusted_networks
from tests.support.control import BY, NOW, make_account

pytestmark = pytest.mark.django_db


def trust(*networks: str, account_id: int | None = None) -> ApiKey:
    owner = account_id or make_account().pk
    created = create_api_key(
        owner, "Printer", ["smtp/inject"], by=BY, now=NOW, trusted_networks=networks
    )
    return created.api_key


def who(address: str) -> int | None:
    identity = trusted_networks().identity(address)
    return identity.key_id if identity else None


def test_the_narrowest_network_around_an_address_says_who_it_is() -> None:
    wide, narrow, single = trust("10.0.0.0/8"), trust("10.1.0.0/16"), trust("10.1.2.3")
    assert who("10.9.9.9") == wide.pk
    assert who("10.1.9.9") == narrow.pk
    assert who("10.1.2.3") == single.pk
    assert who("192.0.2.1") is None


def test_both_families_are_known_and_mapped_addresses_count_as_themselves() -> None:
    key = trust("fd00::/64", "10.0.0.0/8")
    assert who("fd00::1") == who("::ffff:10.1.1.1") == who("fd00::1%eth0") == key.pk
    assert who("fd01::1") is None
    assert who("::1") is None


def test_trust_ends_with_the_key() -> None:
    key = trust("10.0.0.0/8")
    revoke_api_key(key.account_id, key.pk, by=BY, now=NOW)
    assert who("10.1.1.1") is None
    heir = trust("10.0.0.0/8")
    assert who("10.1.1.1") == heir.pk


def test_trust_is_in_the_audit_trail() -> None:
    trust("10.0.0.0/8")
    entry = AuditEntry.objects.filter(action="create_api_key").latest("pk")
    assert entry.detail["trusted_networks"] == ["10.0.0.0/8"]


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("10.0.0.1/8", "is no network"),
        ("printer.example", "is no network"),
        ("0.0.0.0/0", "is everybody"),
        ("::/0", "is everybody"),
    ],
)
def test_what_is_no_network_or_all_of_them_is_refused(network: str, message: str) -> None:
    with pytest.raises(InvalidKeyRequest, match=message) as refused:
        trust(network)
    assert refused.value.field == "trusted_networks"


def test_a_network_belongs_to_one_key() -> None:
    first = trust("10.0.0.0/8")
    with pytest.raises(InvalidKeyRequest, match=f"Key {first.pk} trusts 10.0.0.0/8 already"):
        trust("10.0.0.0/8")


def test_only_a_key_that_may_submit_can_trust() -> None:
    with pytest.raises(InvalidKeyRequest, match="smtp/inject"):
        create_api_key(
            make_account().pk,
            "Reader",
            ["transmissions/view"],
            by=BY,
            now=NOW,
            trusted_networks=["10.0.0.0/8"],
        )
