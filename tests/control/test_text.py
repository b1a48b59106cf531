"""Texts that PostgreSQL is stricter about, and lists that both databases order alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import DataError

from merpati.accounts.actions import create_account, create_api_key
from merpati.accounts.errors import InvalidKeyRequest, InvalidOrder
from merpati.accounts.models import Account, ApiKey, AuditEntry
from merpati.api.error_map import as_api_error
from merpati.desk.case_errors import InvalidCase, InvalidPerson
from merpati.desk.people import add_person
from merpati.sending.errors import SendingError
from merpati.sending.models import Suppression, SuppressionSource, SuppressionType
from merpati.sending.pools import create_pool
from merpati.sending.suppression import suppress
from tests.desk.cases import Desk
from tests.support.control import BY, NOW, make_account

pytestmark = [pytest.mark.django_db, pytest.mark.control_database]

NUL, LONG = "a\x00b", "a" * 2_000


@pytest.mark.parametrize("text", [NUL, LONG])
def test_a_text_that_no_column_takes_is_refused_by_its_field(text: str, tmp_path: Path) -> None:
    account = make_account()
    with pytest.raises(InvalidOrder, match="200 printable"):
        create_account(text, "premium", "uk", by=BY, now=NOW)
    with pytest.raises(InvalidKeyRequest, match="200 printable"):
        create_api_key(account.pk, text, by=BY, now=NOW)
    with pytest.raises(InvalidPerson, match="200 printable"):
        add_person(text, "a@b.example", role="representative", language="en", by=BY, now=NOW)
    with pytest.raises(InvalidCase, match="200 printable"):
        Desk(tmp_path, account).opens(subject=text)
    with pytest.raises(SendingError):
        create_pool(account.pk, text, by=BY, now=NOW)
    assert AuditEntry.objects.filter(action="create_pool").count() == 0


def test_a_providers_reply_with_nul_suppresses_all_the_same() -> None:
    account, bounce = make_account(), SuppressionSource.BOUNCE_RULE
    kinds = [SuppressionType.TRANSACTIONAL]
    suppress(account.pk, "a@b.example", kinds, bounce, by=BY, now=NOW, description="550\x00 no")
    assert Suppression.objects.get().description == "550 no"


def test_the_longest_address_is_suppressed_and_audited() -> None:
    address = "a" * 308 + "@b.example".rjust(12, "c")
    assert len(address) == 320
    kinds, source = [SuppressionType.TRANSACTIONAL], SuppressionSource.MANUALLY_ADDED
    suppress(make_account().pk, address, kinds, source, by=BY, now=NOW)
    assert AuditEntry.objects.get(action="suppress").subject == address[:300]


def test_lists_are_ordered_by_code_point() -> None:
    names = ["Zebra", "apel", "Éclair", "_b", "Apel", "10", "9", "zebra", "Ärger"]
    for name in names:
        make_account(f"x{name}")
    found = Account.objects.order_by("name").values_list("name", flat=True)
    assert list(found) == sorted(f"x{name}" for name in names)
    assert Account.objects.filter(name__gt="xZ").latest("name").name == "xÉclair"


def test_json_comes_back_as_it_went_in() -> None:
    account = make_account()
    trusted = ["10.0.0.0/8", "fd00::/8"]
    create_api_key(account.pk, "k", ["smtp/inject"], by=BY, now=NOW, trusted_networks=trusted)
    assert ApiKey.objects.get(label="k").trusted_networks == trusted
    assert ApiKey.objects.exclude(trusted_networks=[]).count() == 1
    detail = {"z": 1.5, "a": [None, True, "é \u2028"], "n": 10**18}
    entry = AuditEntry.objects.create(at=NOW, actor=BY, action="x", subject="y", detail=detail)
    assert AuditEntry.objects.get(pk=entry.pk).detail == detail


def test_a_text_that_slips_through_is_the_requests_fault_not_the_servers() -> None:
    answer = as_api_error(DataError("value too long for type character varying(200)"), "id")
    assert answer.status == 422
