"""The suppression list: addresses an account does not send to.

Addresses are kept and matched trimmed and in lower case. Lists of their own (`list_id`) stop only
mail of that list, so they play no part in `suppressed_among`.

Source: sparkpost-api 9.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from merpati.accounts import audit
from merpati.adapters.codec import json_text
from merpati.sending.errors import InvalidValue
from merpati.sending.models import Suppression, SuppressionSource, SuppressionType

# One query whatever the number of addresses: the list goes in as one value. CROSS JOIN keeps
# SQLite from reading the account's whole list first, however it guesses.
_AMONG = {
    "sqlite": """
        SELECT wanted.value, s.source
        FROM json_each(%s) AS wanted CROSS JOIN sending_suppression AS s
        WHERE s.account_id = %s AND s.recipient = wanted.value AND s.type = %s AND s.list_id = ''
    """,
    "postgresql": """
        SELECT s.recipient, s.source
        FROM sending_suppression AS s
        WHERE s.recipient = ANY(SELECT json_array_elements_text(%s::json))
          AND s.account_id = %s AND s.type = %s AND s.list_id = ''
    """,
}


# For one address on SQLite, by far the most frequent question: asked of the driver itself, since
# Django's cursor takes twice as long as the answer.
_ONE_ON_SQLITE = """
    SELECT source FROM sending_suppression
    WHERE account_id = ? AND recipient = ? AND type = ? AND list_id = ''
"""


def suppressed_among(
    account_id: int, addresses: Sequence[str], transactional: bool
) -> dict[str, str]:
    """Return which of the addresses (as given) are suppressed, and the source of each.

    One query for up to some 10,000 addresses.
    """
    kind = SuppressionType.TRANSACTIONAL if transactional else SuppressionType.NON_TRANSACTIONAL
    matched = [_normal(address) for address in addresses]
    sources = _sources(account_id, matched, kind.value)
    if not sources:
        return {}
    return {
        address: sources[normal]
        for address, normal in zip(addresses, matched, strict=True)
        if normal in sources
    }


def _sources(account_id: int, matched: Sequence[str], kind: str) -> dict[str, str]:
    database = connections[DEFAULT_DB_ALIAS]  # this thread's
    if len(matched) == 1 and database.vendor == "sqlite":
        (address,) = matched
        database.ensure_connection()
        with database.wrap_database_errors:
            wanted = (account_id, address, kind)
            row = database.connection.execute(_ONE_ON_SQLITE, wanted).fetchone()
        return {address: row[0]} if row else {}
    with database.cursor() as cursor:
        cursor.execute(_AMONG[database.vendor], [json_text(matched), account_id, kind])
        return dict(cursor.fetchall())


def suppress(
    account_id: int,
    recipient: str,
    types: Sequence[SuppressionType],
    source: SuppressionSource,
    *,
    by: str,
    now: datetime,
    description: str = "",
    list_id: str = "",
) -> None:
    """Put an address on the account's list; what is there already takes the new source.

    An entry made for compliance stays as it is. Raises InvalidValue for what is no address.
    """
    address = _normal(recipient)
    if not 3 <= len(address) <= 320 or "@" not in address[1:-1]:
        raise InvalidValue(f"{recipient!r} is not an email address.", "recipient")
    with transaction.atomic():
        kept = set(
            Suppression.objects.filter(
                account_id=account_id,
                recipient=address,
                list_id=list_id,
                source=SuppressionSource.COMPLIANCE,
            ).values_list("type", flat=True)
        )
        Suppression.objects.bulk_create(
            [
                Suppression(
                    account_id=account_id,
                    recipient=address,
                    type=kind,
                    list_id=list_id,
                    source=source,
                    description=description,
                    created_at=now,
                    updated_at=now,
                )
                for kind in types
                if kind not in kept
            ],
            update_conflicts=True,
            unique_fields=["account", "recipient", "type", "list_id"],
            update_fields=["source", "description", "updated_at"],
        )
        audit.record(
            "suppress",
            address,
            by=by,
            now=now,
            account_id=account_id,
            types=list(types),
            source=source,
        )


def _normal(address: str) -> str:
    return address.strip().lower()
