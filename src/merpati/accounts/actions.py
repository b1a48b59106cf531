"""The only writers of accounts and keys. Each is one transaction with its audit entry.

`by` is the actor as the audit trail shows it ("cli:root", "api:key 1f3a"); `now` is aware.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.db import IntegrityError, transaction

from merpati.accounts import audit
from merpati.accounts.errors import (
    AccountExists,
    AccountNotFound,
    ApiKeyNotFound,
    InvalidKeyRequest,
    InvalidOrder,
)
from merpati.accounts.grants import ALL_GRANTS, checked_grants
from merpati.accounts.keys import SHORT_KEY_LENGTH, hash_of, new_key
from merpati.accounts.models import Account, ApiKey, Plan, ServiceTimeZone
from merpati.accounts.signals import account_changed, account_created
from merpati.spool.files import SHARDS


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new API key; `key` is nowhere kept, so this is the one chance to show it."""

    api_key: ApiKey
    key: str


@dataclass(frozen=True, slots=True)
class CreatedAccount:
    """A new account with its first API key, which holds all grants; shown once."""

    account: Account
    api_key: str


def find_account(reference: str) -> Account:
    """Return the account with this number or name. Raises AccountNotFound."""
    wanted = {"pk": int(reference)} if is_number(reference) else {"name": reference}
    account = Account.objects.filter(**wanted).first()
    if account is None:
        raise AccountNotFound(reference)
    return account


def is_number(text: str) -> bool:
    """Return whether a text is an account's number; so no name may be one."""
    return text.isascii() and text.isdigit() and len(text) < 19


def create_account(
    name: str,
    plan: str,
    service_time_zone: str,
    *,
    by: str,
    now: datetime,
    term_months: int | None = None,
    term_starts_on: date | None = None,
) -> CreatedAccount:
    """Make an account from its order form, with its first API key.

    Raises InvalidOrder when a line of the form cannot be used, AccountExists when the name is
    taken.
    """
    name = name.strip()
    _check_order(name, plan, service_time_zone, term_months)
    with transaction.atomic():
        try:
            with transaction.atomic():
                account = Account.objects.create(
                    name=name,
                    plan=plan,
                    service_time_zone=service_time_zone,
                    term_months=term_months,
                    term_starts_on=term_starts_on,
                    created_at=now,
                )
        except IntegrityError:
            raise AccountExists(name) from None
        account.shard = account.pk % SHARDS
        account.save(update_fields=["shard"])
        audit.record(
            "create_account",
            name,
            by=by,
            now=now,
            account_id=account.pk,
            plan=plan,
            service_time_zone=service_time_zone,
        )
        account_created.send(sender=Account, account=account, now=now)
        created = create_api_key(account.pk, "First key", by=by, now=now)
    return CreatedAccount(account, created.key)


def create_api_key(
    account_id: int,
    label: str,
    grants: Iterable[str] = ALL_GRANTS,
    *,
    by: str,
    now: datetime,
) -> CreatedKey:
    """Make a key for an account. Raises AccountNotFound, InvalidKeyRequest."""
    label = label.strip()
    if not label or len(label) > 200 or not label.isprintable():
        raise InvalidKeyRequest("A key's label has 1 to 200 printable characters.", "label")
    held = checked_grants(grants)
    key = new_key()
    with transaction.atomic():
        if not Account.objects.filter(pk=account_id).exists():
            raise AccountNotFound(str(account_id))
        api_key = ApiKey.objects.create(
            account_id=account_id,
            label=label,
            short_key=key[:SHORT_KEY_LENGTH],
            key_hash=hash_of(key),
            grants=held,
            created_at=now,
        )
        audit.record(
            "create_api_key",
            f"key {api_key.short_key}",
            by=by,
            now=now,
            account_id=account_id,
            key_id=api_key.pk,
            label=label,
            grants=held,
        )
        account_changed.send(sender=ApiKey, account_id=account_id)
    return CreatedKey(api_key, key)


def revoke_api_key(account_id: int, key_id: int, *, by: str, now: datetime) -> None:
    """End a key; calls with it are refused from now on. Raises ApiKeyNotFound."""
    with transaction.atomic():
        key = ApiKey.objects.filter(account_id=account_id, pk=key_id, revoked_at=None)
        short_key = key.values_list("short_key", flat=True).first()
        if not key.update(revoked_at=now):
            raise ApiKeyNotFound(key_id)
        audit.record(
            "revoke_api_key",
            f"key {short_key}",
            by=by,
            now=now,
            account_id=account_id,
            key_id=key_id,
        )
        account_changed.send(sender=ApiKey, account_id=account_id)


def _check_order(name: str, plan: str, service_time_zone: str, term_months: int | None) -> None:
    if not name or len(name) > 200 or not name.isprintable():
        raise InvalidOrder("An account's name has 1 to 200 printable characters.", "name")
    if is_number(name):
        raise InvalidOrder(
            "An account's name is more than a number, since commands take its number or its name.",
            "name",
        )
    if plan not in Plan.values:
        raise InvalidOrder(f"There is no plan {plan!r}; offered: {_one_of(Plan)}.", "plan")
    if service_time_zone not in ServiceTimeZone.values:
        raise InvalidOrder(
            f"There is no Service Time Zone {service_time_zone!r}; "
            f"offered: {_one_of(ServiceTimeZone)}.",
            "service_time_zone",
        )
    if term_months is not None and not 1 <= term_months <= 120:
        raise InvalidOrder("A term lasts 1 to 120 months.", "term_months")


def _one_of(choices: type[Plan | ServiceTimeZone]) -> str:
    return ", ".join(choices.values)
