"""The suppression list: addresses an account does not send to.

Addresses are kept and matched trimmed and in lower case. Lists of their own (`list_id`) stop only
mail of that list, so they play no part in `suppressed_among`.

Source: sparkpost-api 9.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from merpati.accounts import audit
from merpati.accounts.models import Account
from merpati.adapters.codec import json_text
from merpati.adapters.faults import fault
from merpati.sending.errors import (
    InvalidValue,
    RecipientsInvalid,
    SuppressionForCompliance,
    SuppressionNotFound,
    SuppressionRefused,
)
from merpati.sending.models import (
    BounceRulePosition,
    Suppression,
    SuppressionSource,
    SuppressionType,
)
from merpati.sending.suppression_lookup import by_address, kind_of, normal
from merpati.sending.suppression_sql import (
    AMONG,
    INSERT,
    ONE_ON_SQLITE,
    STAYS,
    TAKES_THE_NEW,
    for_django,
)

ADDRESS_CHARACTERS = 320
DESCRIPTION_CHARACTERS = 500  # of a provider's reply
BOUNCE_RULE_ACTOR = "service:bounce rule"
AUDITED_RECIPIENTS = 100  # of one call by name; the entries themselves tell the rest

_BREAKS_AN_ADDRESS = re.compile(r"[\s\x00-\x1f\x7f]")
_NUL = "\x00"  # no text of PostgreSQL
_LIST_ID = re.compile(r"(?=.{1,255}\Z)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")  # RFC 2919 section 2


def suppressed_among(
    account_id: int, addresses: Sequence[str], transactional: bool
) -> dict[str, str]:
    """Return which of the addresses (as given) are suppressed, and the source of each.

    One query for up to some 10,000 addresses.
    """
    matched = [normal(address) for address in addresses]
    return by_address(addresses, _sources(account_id, matched, kind_of(transactional)))


def _sources(account_id: int, matched: Sequence[str], kind: str) -> dict[str, str]:
    database = connections[DEFAULT_DB_ALIAS]  # this thread's
    if len(matched) == 1 and database.vendor == "sqlite":
        (address,) = matched
        database.ensure_connection()
        with database.wrap_database_errors:
            wanted = (account_id, address, kind)
            row = database.connection.execute(ONE_ON_SQLITE, wanted).fetchone()
        return {address: row[0]} if row else {}
    with database.cursor() as cursor:
        cursor.execute(for_django(AMONG, database.vendor), [json_text(matched), account_id, kind])
        return dict(cursor.fetchall())


@dataclass(frozen=True, slots=True)
class Entry:
    """What to put on a list. recipient: as given; list_id: "" for all mail of the account."""

    recipient: str
    type: SuppressionType
    description: str = ""
    list_id: str = ""


@dataclass(frozen=True, slots=True)
class BouncedRecipient:
    """Whom a bounce suppresses, for which mail; description: the provider's words."""

    account_id: int
    recipient: str
    types: Sequence[SuppressionType]
    description: str


class Looked(NamedTuple):
    """How far the bounces of a shard were looked at. nonce: which file of the shard."""

    nonce: str
    event: int


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
    if not _is_address(normal(recipient)):
        raise InvalidValue(f"{recipient!r} is not an email address.", "recipient")
    entries = [Entry(recipient, kind, description, list_id) for kind in types]
    suppress_all(account_id, entries, source, by=by, now=now)


def suppress_all(
    account_id: int,
    entries: Sequence[Entry],
    source: SuppressionSource,
    *,
    by: str,
    now: datetime,
) -> None:
    """Put entries on the account's list, all or nothing; existing ones take the new source.

    Of several for the same recipient, type and list the last counts. Entries made for compliance
    stay as they are. Raises RecipientsInvalid, and SuppressionRefused for a malformed list_id.
    """
    rows = _rows(account_id, entries, source, now)
    if not rows:
        return
    with transaction.atomic():
        _write(rows, TAKES_THE_NEW)
        _audit("suppress", account_id, rows, by=by, now=now, source=source)


def unsuppress(
    account_id: int,
    recipient: str,
    *,
    by: str,
    now: datetime,
    kind: SuppressionType | None = None,
    list_id: str | None = None,
) -> None:
    """Take an address off the account's list.

    kind: None for both types. list_id: None for all lists, "" for the account's own alone.
    Raises SuppressionNotFound, and SuppressionForCompliance (then nothing is removed).
    """
    with transaction.atomic():
        entries = Suppression.objects.filter(account_id=account_id, recipient=normal(recipient))
        if kind is not None:
            entries = entries.filter(type=kind)
        if list_id is not None:
            entries = entries.filter(list_id=list_id)
        rows = list(entries)
        if not rows:
            raise SuppressionNotFound(recipient)
        if any(row.source == SuppressionSource.COMPLIANCE for row in rows):
            raise SuppressionForCompliance(recipient)
        entries.delete()
        _audit("unsuppress", account_id, rows, by=by, now=now)


def looked_at() -> dict[int, Looked]:
    """Return how far each shard's bounces were looked at, as last kept."""
    found = BounceRulePosition.objects.values_list("shard", "nonce", "event")
    return {shard: Looked(nonce, event) for shard, nonce, event in found}


def suppress_bounced(
    bounced: Sequence[BouncedRecipient], looked: Mapping[int, Looked], *, now: datetime
) -> int:
    """Suppress who bounced and keep how far that was looked at: both or neither.

    Returns how many entries were made: who is on the list stays as they are, whatever the source.
    """
    with transaction.atomic():
        by_account: dict[int, list[BouncedRecipient]] = {}
        for one in bounced:
            by_account.setdefault(one.account_id, []).append(one)
        accounts = Account.objects.filter(pk__in=by_account).values_list("pk", flat=True)
        made = sum(_suppress_new(account, by_account[account], now) for account in accounts)
        BounceRulePosition.objects.bulk_create(
            [BounceRulePosition(shard=shard, **one._asdict()) for shard, one in looked.items()],
            update_conflicts=True,
            unique_fields=["shard"],
            update_fields=["nonce", "event"],
        )
        fault("suppression.bounced.before_commit")
    return made


def _suppress_new(account_id: int, bounced: Sequence[BouncedRecipient], now: datetime) -> int:
    entries = [
        Entry(one.recipient, kind, one.description[:DESCRIPTION_CHARACTERS])
        for one in bounced
        if _is_address(normal(one.recipient))
        for kind in one.types
    ]
    rows = _rows(account_id, entries, SuppressionSource.BOUNCE_RULE, now)
    there = set(
        Suppression.objects.filter(
            account_id=account_id, recipient__in={row.recipient for row in rows}, list_id=""
        ).values_list("recipient", "type")
    )
    rows = [row for row in rows if (row.recipient, row.type) not in there]
    if rows:
        _write(rows, STAYS)
        source = SuppressionSource.BOUNCE_RULE
        _audit("suppress", account_id, rows, by=BOUNCE_RULE_ACTOR, now=now, source=source)
    return len(rows)


def _rows(
    account_id: int, entries: Sequence[Entry], source: SuppressionSource, now: datetime
) -> list[Suppression]:
    rows: dict[tuple[str, str, str], Suppression] = {}
    invalid: dict[str, None] = {}
    for entry in entries:
        address = normal(entry.recipient)
        if not _is_address(address):
            invalid[entry.recipient] = None
            continue
        if entry.list_id and not _LIST_ID.fullmatch(entry.list_id):
            raise SuppressionRefused(
                f"list_id '{entry.list_id[:100]}' must be 1 to 255 letters, digits, '-', '_' and "
                "single dots between them",
                "list_id",
            )
        rows[address, entry.type.value, entry.list_id] = Suppression(
            account_id=account_id,
            recipient=address,
            type=entry.type,
            list_id=entry.list_id,
            source=source,
            description=entry.description.replace(_NUL, ""),  # a provider's reply may hold one
            created_at=now,
            updated_at=now,
        )
    if invalid:
        raise RecipientsInvalid(list(invalid))
    return list(rows.values())


def _write(rows: Sequence[Suppression], on_conflict: str) -> None:
    """Insert rows of one account and moment in one statement: 10,000 take 0.1 s, by the ORM 1 s."""
    database = connections[DEFAULT_DB_ALIAS]
    values = [[row.recipient, row.type, row.list_id, row.source, row.description] for row in rows]
    now = database.ops.adapt_datetimefield_value(rows[0].created_at)
    with database.cursor() as cursor:
        cursor.execute(
            INSERT[database.vendor] + on_conflict,
            [rows[0].account_id, now, now, json_text(values)],
        )


def _audit(
    action: str,
    account_id: int,
    rows: Sequence[Suppression],
    *,
    by: str,
    now: datetime,
    **detail: Any,
) -> None:
    recipients = list(dict.fromkeys(row.recipient for row in rows))
    if len(recipients) > 1:
        detail |= {"recipients": recipients[:AUDITED_RECIPIENTS], "entries": len(rows)}
    audit.record(
        action,
        recipients[0] if len(recipients) == 1 else f"{len(recipients)} recipients",
        by=by,
        now=now,
        account_id=account_id,
        types=sorted({str(row.type) for row in rows}),
        **detail,
    )


def _is_address(normal: str) -> bool:
    return (
        3 <= len(normal) <= ADDRESS_CHARACTERS
        and "@" in normal[1:-1]
        and not _BREAKS_AN_ADDRESS.search(normal)
    )
