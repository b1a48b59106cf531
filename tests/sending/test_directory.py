"""What a process remembers of accounts and keys, and when it looks again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from merpati.accounts.actions import create_account, revoke_api_key
from merpati.accounts.models import ApiKey
from merpati.sending.directory import LOOKED_AFTER_SECONDS, Directory
from merpati.sending.sending_ips import add_sending_ip

NOW = datetime(2026, 3, 2, tzinfo=UTC)


class ManualClock:
    seconds = 0.0

    def now(self) -> int:
        return 0

    def elapsed(self) -> float:
        return self.seconds


@pytest.mark.django_db
def test_a_change_is_seen_at_the_next_look_and_costs_nothing_until_then(
    django_assert_num_queries: Any,
) -> None:
    created = create_account("acme", "premium", "uk", by="test", now=NOW)
    account_id, clock = created.account.pk, ManualClock()
    directory = Directory(clock)
    before = directory.account(account_id)
    assert directory.identity(created.api_key) is not None
    assert before.pool(None) is not None
    assert not before.pools["default"].has_ips

    add_sending_ip(account_id, "127.0.0.2", "mta.acme.example", by="test", now=NOW)
    revoke_api_key(account_id, ApiKey.objects.get().pk, by="test", now=NOW)
    clock.seconds = LOOKED_AFTER_SECONDS - 0.01
    with django_assert_num_queries(0):
        assert directory.account(account_id) is before
        assert directory.identity(created.api_key) is not None

    clock.seconds = LOOKED_AFTER_SECONDS
    assert directory.identity(created.api_key) is None
    after = directory.account(account_id)
    assert after.pools["default"].has_ips
    assert after.policy_version > before.policy_version

    clock.seconds = 2 * LOOKED_AFTER_SECONDS
    with django_assert_num_queries(1):  # the version; nothing changed, so nothing is loaded
        assert directory.account(account_id) is after


@pytest.mark.django_db
def test_what_this_process_changed_is_seen_at_once(
    django_capture_on_commit_callbacks: Any, django_assert_num_queries: Any
) -> None:
    """Who adds an IP by one call and sends by the next is not told that the pool has none."""
    account_id = create_account("acme", "premium", "uk", by="test", now=NOW).account.pk
    directory = Directory(ManualClock())
    assert not directory.account(account_id).pools["default"].has_ips
    with django_capture_on_commit_callbacks(execute=True):
        add_sending_ip(account_id, "127.0.0.2", "mta.acme.example", by="test", now=NOW)
    assert directory.account(account_id).pools["default"].has_ips
    with django_assert_num_queries(0):  # and then all is as before
        directory.account(account_id)


@pytest.mark.django_db
def test_unknown_keys_are_not_remembered() -> None:
    directory = Directory(ManualClock())
    assert directory.identity("0" * 40) is None
    assert directory.identity("\udcff") is None
    assert directory._remembered.identities == {}
