"""What the traffic looked like around what a case names: taken once, kept with the case as data.

It stays true later, when events are long gone and queues are empty.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from merpati.accounts.models import Account
from merpati.desk.case_errors import InvalidCase
from merpati.desk.checks import checked_choice, checked_line
from merpati.desk.models import LinkKind
from merpati.events import around
from merpati.events.store import reading
from merpati.sending.address import routing_domain
from merpati.spool.message_name import message_of_name
from merpati.spool.reading import snapshot

log = logging.getLogger(__name__)

EVENTS_OF_A_MESSAGE = 50
QUEUES = 20


@dataclass(frozen=True, slots=True)
class Sources:
    """Where evidence comes from: the event store, and the folder of the shards."""

    events: Path
    spool: Path


@dataclass(frozen=True, slots=True)
class Link:
    """Something a case names; kind: of `LinkKind`."""

    kind: str
    value: str


def checked_link(kind: str, value: str, field: str) -> Link:
    """Return a link as it is stored. Raises InvalidCase."""
    checked_choice(kind, LinkKind.values, f"{field}.kind", InvalidCase)
    value, field = value.strip(), f"{field}.value"
    match kind:
        case LinkKind.DOMAIN:
            domain = routing_domain(value)
            if domain is None:
                raise InvalidCase(f"{value[:100]!r} is no domain; write kirim.example.", field)
            return Link(kind, domain)
        case LinkKind.SENDING_IP:
            try:
                return Link(kind, str(ip_address(value)))
            except ValueError:
                raise InvalidCase(
                    f"{value[:100]!r} is no IP address; write 192.0.2.10.", field
                ) from None
        case LinkKind.MESSAGE:
            if message_of_name(value) is None:
                raise InvalidCase(
                    f"{value[:100]!r} is no message id; events show it, 16 hexadecimal digits.",
                    field,
                )
            return Link(kind, value.lower())
        case _:
            return Link(kind, checked_line(value, field, InvalidCase))


def take(sources: Sources, account: Account, link: Link, now: datetime) -> dict[str, Any]:
    """Return a snapshot of an account's traffic around a link.

    Evidence that cannot be read keeps no case from being opened: the snapshot says so.
    """
    found: dict[str, Any] = {"taken_at": now.isoformat(timespec="seconds")}
    at = int(now.timestamp() * 1000)
    try:
        with reading(sources.events) as db:
            found["account"] = around.tallies(db, account.pk, at)
            if link.kind == LinkKind.MESSAGE:
                found["events"] = around.of_message(db, account.pk, link.value, EVENTS_OF_A_MESSAGE)
            else:
                match = _MATCHES[LinkKind(link.kind)](link.value)
                seen = around.traffic(db, account.shard, account.pk, match, at)
                found["traffic"] = around.as_document(seen)
        found["queues"] = _queues(sources.spool, account)
    except (sqlite3.Error, OSError) as error:
        log.warning("no_evidence account=%s link=%s error=%r", account.pk, link.kind, str(error))
        found["unavailable"] = "The event store could not be read at that moment."
    return found


_MATCHES = {
    LinkKind.DOMAIN: around.of_domain,
    LinkKind.SENDING_IP: around.of_sending_ip,
    LinkKind.CAMPAIGN: around.of_campaign,
}


def _queues(spool: Path, account: Account) -> list[dict[str, Any]]:
    """Return what waits of an account, by recipient domain, the longest queues first."""
    with snapshot(spool, account.shard) as shard:
        depths = shard.depths() if shard is not None else []
    mine = [depth for depth in depths if depth.key.account_id == account.pk]
    mine.sort(key=lambda depth: -depth.count)
    return [
        {
            "recipient_domain": depth.key.domain,
            "messages": depth.count,
            "oldest_due_at": datetime.fromtimestamp(depth.earliest_due_at / 1000, UTC).isoformat(
                timespec="seconds"
            ),
        }
        for depth in mine[:QUEUES]
    ]
