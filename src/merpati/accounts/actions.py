"""The only writers of accounts and keys. Each is one transaction with its audit entry.

`by` is the actor as the audit trail shows it ("cli:root", "api:key 1f3a"); `now` is aware.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction

from merpati.accounts import audit
from merpati.accounts.errors import (
    AccountClosed,
    AccountExists,
    AccountNotFound,
    ApiKeyNotFound,
    InvalidAccountChange,
    InvalidKeyRequest,
    InvalidOrder,
)
from merpati.accounts.grants import ALL_GRANTS, checked_grants
from merpati.accounts.keys import SHORT_KEY_LENGTH, hash_of, new_key
from merpati.accounts.models import Account, ApiKey, Plan, ServiceTimeZone
from merpati.accounts.signals import account_changed, account_created
from merpati.accounts.trusted_networks import check_trusted_by_no_other, checked_networks
from merpati.spool.files import SHARDS

LONGEST_RETRY_SECONDS = 86_400
LONGEST_LIFE_SECONDS = 30 * 86_400


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


def set_retry_schedule(
    account_id: int,
    *,
    by: str,
    now: datetime,
    retry_seconds: int | None = None,
    expire_seconds: int | None = None,
) -> Account:
    """Change when an account's mail is tried again, and how long: waiting mail follows at once.

    retry_seconds: before the first retry, doubled each time; expire_seconds: life of a message.
    None leaves a value as it is, 0 takes the operator's. Raises AccountNotFound, AccountClosed,
    InvalidAccountChange.
    """
    for field, value, most in (
        ("retry_seconds", retry_seconds, LONGEST_RETRY_SECONDS),
        ("expire_seconds", expire_seconds, LONGEST_LIFE_SECONDS),
    ):
        if value is not None and not 0 <= value <= most:
            raise InvalidAccountChange(
                f"{field} must be 1 to {most}, or 0 for the operator's setting.", field
            )
    with transaction.atomic():
        account = open_account(account_id)
        if retry_seconds is not None:
            account.retry_seconds = retry_seconds or None
        if expire_seconds is not None:
            account.expire_seconds = expire_seconds or None
        _save(
            account,
            "set_retry_schedule",
            by=by,
            now=now,
            retry_seconds=account.retry_seconds,
            expire_seconds=account.expire_seconds,
        )
    return account


def suspend_account(account_id: int, reason: str, *, by: str, now: datetime) -> Account:
    """Hold an account's mail and refuse more, until it is resumed; what is waiting stays.

    reason: for people, as in the queue's. Raises AccountNotFound, AccountClosed,
    InvalidAccountChange.
    """
    reason = reason.strip()
    if not reason or len(reason) > 200 or not reason.isprintable():
        raise InvalidAccountChange("A reason has 1 to 200 printable characters.", "reason")
    with transaction.atomic():
        account = open_account(account_id)
        account.suspended_at = account.suspended_at or now
        account.suspension_reason = reason
        _save(account, "suspend_account", by=by, now=now, reason=reason)
    return account


def resume_account(account_id: int, *, by: str, now: datetime) -> Account:
    """Let a suspended account send again. Raises AccountNotFound, AccountClosed,
    InvalidAccountChange when it is not suspended."""
    with transaction.atomic():
        account = open_account(account_id)
        if account.suspended_at is None:
            raise InvalidAccountChange(f"Account {account.name} is not suspended.", "account")
        account.suspended_at, account.suspension_reason = None, ""
        _save(account, "resume_account", by=by, now=now)
    return account


def close_account(account_id: int, *, by: str, now: datetime) -> Account:
    """End an account for good: its keys are revoked, what waits fails with a reason.

    Its name, domains and addresses stay taken until they are removed. Raises AccountNotFound,
    AccountClosed.
    """
    with transaction.atomic():
        account = open_account(account_id)
        account.closed_at = now
        revoked = ApiKey.objects.filter(account=account, revoked_at=None).update(revoked_at=now)
        _save(account, "close_account", by=by, now=now, revoked_keys=revoked)
    return account


def open_account(account_id: int) -> Account:
    """Return an account that is not closed. Raises AccountNotFound, AccountClosed."""
    account = Account.objects.filter(pk=account_id).first()
    if account is None:
        raise AccountNotFound(str(account_id))
    if account.closed_at is not None:
        raise AccountClosed(account.name)
    return account


def _save(account: Account, action: str, *, by: str, now: datetime, **detail: Any) -> None:
    account.save()
    audit.record(action, account.name, by=by, now=now, account_id=account.pk, **detail)
    account_changed.send(sender=Account, account_id=account.pk)


def create_api_key(
    account_id: int,
    label: str,
    grants: Iterable[str] = ALL_GRANTS,
    *,
    by: str,
    now: datetime,
    trusted_networks: Iterable[str] = (),
) -> CreatedKey:
    """Make a key for an account.

    trusted_networks: from these SMTP clients act as the key without its password.
    Raises AccountNotFound, AccountClosed, InvalidKeyRequest.
    """
    label = label.strip()
    if not label or len(label) > 200 or not label.isprintable():
        raise InvalidKeyRequest("A key's label has 1 to 200 printable characters.", "label")
    held = checked_grants(grants)
    trusted = checked_networks(trusted_networks, held)
    key = new_key()
    with transaction.atomic():
        check_trusted_by_no_other(trusted)
        open_account(account_id)
        api_key = ApiKey.objects.create(
            account_id=account_id,
            label=label,
            short_key=key[:SHORT_KEY_LENGTH],
            key_hash=hash_of(key),
            grants=held,
            trusted_networks=trusted,
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
            trusted_networks=trusted,
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
