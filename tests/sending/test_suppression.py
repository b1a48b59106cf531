from __future__ import annotations

import sqlite3
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.db import DatabaseError, connection

from merpati.accounts.models import AuditEntry
from merpati.sending.errors import InvalidValue
from merpati.sending.models import Suppression, SuppressionSource, SuppressionType
from merpati.sending.suppression import suppress, suppressed_among
from tests.support.control import BY, NOW, make_account

pytestmark = pytest.mark.django_db

BOTH = [SuppressionType.TRANSACTIONAL, SuppressionType.NON_TRANSACTIONAL]
BOUNCE, COMPLAINT = SuppressionSource.BOUNCE_RULE, SuppressionSource.SPAM_COMPLAINT


def test_addresses_are_found_as_given_whatever_their_case() -> None:
    account = make_account()
    suppress(account.pk, " Anna@Example.com", BOTH, BOUNCE, by=BY, now=NOW)
    asked = ["ANNA@example.com", "anna@example.com ", "b@example.com", "anna@example.co"]
    assert suppressed_among(account.pk, asked, transactional=True) == {
        "ANNA@example.com": "Bounce Rule",
        "anna@example.com ": "Bounce Rule",
    }


def test_each_type_of_mail_has_its_list() -> None:
    account = make_account()
    suppress(
        account.pk, "a@b.example", [SuppressionType.NON_TRANSACTIONAL], COMPLAINT, by=BY, now=NOW
    )
    assert suppressed_among(account.pk, ["a@b.example"], transactional=True) == {}
    assert suppressed_among(account.pk, ["a@b.example"], transactional=False) == {
        "a@b.example": "Spam Complaint"
    }


def test_another_accounts_list_and_a_mailing_lists_own_entry_stop_nothing() -> None:
    account, other = make_account(), make_account()
    suppress(other.pk, "a@b.example", BOTH, BOUNCE, by=BY, now=NOW)
    suppress(account.pk, "a@b.example", BOTH, BOUNCE, list_id="news", by=BY, now=NOW)
    assert suppressed_among(account.pk, ["a@b.example"], transactional=True) == {}


def test_an_entry_is_kept_once_with_its_latest_source() -> None:
    account = make_account()
    suppress(account.pk, "a@b.example", BOTH, BOUNCE, by=BY, now=NOW)
    later = NOW + timedelta(days=1)
    suppress(account.pk, "A@b.example", BOTH, COMPLAINT, description="x", by=BY, now=later)
    entries = Suppression.objects.order_by("type")
    assert [(e.source, e.description, e.created_at, e.updated_at) for e in entries] == [
        ("Spam Complaint", "x", NOW, later)
    ] * 2
    assert AuditEntry.objects.filter(action="suppress").count() == 2


def test_an_entry_made_for_compliance_cannot_be_changed() -> None:
    account = make_account()
    suppress(account.pk, "a@b.example", BOTH, SuppressionSource.COMPLIANCE, by=BY, now=NOW)
    suppress(account.pk, "a@b.example", BOTH, BOUNCE, by=BY, now=NOW)
    assert {e.source for e in Suppression.objects.all()} == {"Compliance"}


@pytest.mark.parametrize("address", ["", "a", "@b.example", "a@", "a" * 320 + "@b.example"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidValue, match="not an email address"):
        suppress(make_account().pk, address, BOTH, BOUNCE, by=BY, now=NOW)


@pytest.mark.sqlite
def test_ten_thousand_addresses_cost_one_query(django_assert_num_queries) -> None:
    account = make_account()
    suppress(account.pk, "u7777@example.com", BOTH, BOUNCE, by=BY, now=NOW)
    addresses = [f"u{n}@example.com" for n in range(10_000)]
    with django_assert_num_queries(1) as queries:
        found = suppressed_among(account.pk, addresses, transactional=False)
    assert found == {"u7777@example.com": "Bounce Rule"}
    assert plan_of(queries[0]["sql"]) == [
        "SCAN wanted VIRTUAL TABLE INDEX 1:",
        "SEARCH s USING INDEX sqlite_autoindex_sending_suppression_1",
    ]


@pytest.mark.sqlite
def test_one_address_is_searched_by_the_index() -> None:
    make_account()
    statements: list[str] = []
    connection.ensure_connection()
    connection.connection.set_trace_callback(statements.append)
    assert suppressed_among(1, ["a@b.example"], transactional=True) == {}
    connection.connection.set_trace_callback(None)
    (statement,) = statements
    assert plan_of(statement) == [
        "SEARCH sending_suppression USING INDEX sqlite_autoindex_sending_suppression_1"
    ]


@pytest.mark.sqlite
@pytest.mark.parametrize("addresses", [["a@b.example"], ["a@b.example", "b@b.example"]])
def test_trouble_with_the_database_is_told_as_djangos(addresses: list[str]) -> None:
    connection.ensure_connection()
    with patch.object(connection, "connection", sqlite3.connect(":memory:")):
        with pytest.raises(DatabaseError, match="no such table"):
            suppressed_among(1, addresses, transactional=True)
        connection.errors_occurred = False


def plan_of(statement: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + statement)
        return [row[3].partition(" (")[0] for row in cursor.fetchall()]
