"""What an operator changes of an account: its retry schedule, and whether it may send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from merpati.accounts.actions import (
    close_account,
    create_account,
    create_api_key,
    resume_account,
    set_retry_schedule,
    suspend_account,
)
from merpati.accounts.errors import AccountClosed, AccountNotFound, InvalidAccountChange
from merpati.accounts.keys import authenticate
from merpati.accounts.models import Account, AuditEntry
from merpati.adapters.clock import SystemClock
from merpati.contracts import sending_policy as contract
from merpati.sending import policy
from merpati.sending.directory import Directory
from tests.support.control import BY, NOW, make_account

pytestmark = pytest.mark.django_db


def in_policy(account_id: int) -> contract.Account | None:
    found = policy.build("bounces.example").accounts
    return next((one for one in found if one.account_id == account_id), None)


def may_send(account_id: int) -> bool:
    return not Directory(SystemClock()).account(account_id).is_suspended


def latest_audit() -> tuple[str, dict[str, Any]]:
    entry = AuditEntry.objects.latest("pk")
    return entry.action, entry.detail


def test_a_retry_schedule_reaches_the_engine_and_the_trail() -> None:
    account_id = make_account().pk
    before = policy.current_version()
    set_retry_schedule(account_id, retry_seconds=300, by=BY, now=NOW)
    set_retry_schedule(account_id, expire_seconds=3600, by=BY, now=NOW)
    told = in_policy(account_id)
    assert told is not None
    assert (told.retry_seconds, told.expire_seconds) == (300, 3600)
    assert policy.current_version() > before
    assert latest_audit() == (
        "set_retry_schedule",
        {"retry_seconds": 300, "expire_seconds": 3600},
    )
    set_retry_schedule(account_id, retry_seconds=0, by=BY, now=NOW)
    told = in_policy(account_id)
    assert told is not None
    assert (told.retry_seconds, told.expire_seconds) == (None, 3600)


@pytest.mark.parametrize(
    "wrong", [{"retry_seconds": -1}, {"retry_seconds": 86_401}, {"expire_seconds": 2_592_001}]
)
def test_a_schedule_out_of_bounds_changes_nothing(wrong: dict[str, int]) -> None:
    account_id = make_account().pk
    with pytest.raises(InvalidAccountChange, match=f"{next(iter(wrong))} must be 1 to"):
        set_retry_schedule(account_id, by=BY, now=NOW, **wrong)
    assert Account.objects.get(pk=account_id).retry_seconds is None


def test_a_suspended_account_may_not_send_until_it_is_resumed() -> None:
    account_id = make_account().pk
    suspend_account(account_id, "invoice 42 is unpaid", by=BY, now=NOW)
    told = in_policy(account_id)
    assert told is not None
    assert told.suspended == "invoice 42 is unpaid"
    assert not may_send(account_id)
    assert latest_audit() == ("suspend_account", {"reason": "invoice 42 is unpaid"})
    resume_account(account_id, by=BY, now=NOW)
    told = in_policy(account_id)
    assert told is not None
    assert told.suspended == ""
    assert may_send(account_id)
    with pytest.raises(InvalidAccountChange, match="is not suspended"):
        resume_account(account_id, by=BY, now=NOW)


def test_a_closed_account_is_gone_for_the_engine_and_its_keys_end() -> None:
    created = create_account("Kirim", "premium", "uk", by=BY, now=NOW)
    account_id = created.account.pk
    close_account(account_id, by=BY, now=NOW)
    assert in_policy(account_id) is None
    assert authenticate(created.api_key) is None
    assert not may_send(account_id)
    assert latest_audit() == ("close_account", {"revoked_keys": 1})


CHANGES: list[Callable[[int], object]] = [
    lambda account_id: set_retry_schedule(account_id, retry_seconds=60, by=BY, now=NOW),
    lambda account_id: suspend_account(account_id, "why", by=BY, now=NOW),
    lambda account_id: resume_account(account_id, by=BY, now=NOW),
    lambda account_id: close_account(account_id, by=BY, now=NOW),
    lambda account_id: create_api_key(account_id, "more", by=BY, now=NOW),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_closed_account_stays_as_it_is(change: Callable[[int], object]) -> None:
    account_id = make_account().pk
    close_account(account_id, by=BY, now=NOW)
    with pytest.raises(AccountClosed, match="is closed, and stays so"):
        change(account_id)
    with pytest.raises(AccountNotFound):
        change(9999)
