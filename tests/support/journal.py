"""Journal records as the engine writes them, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from merpati.adapters import codec
from merpati.contracts.event import (
    Event,
    EventType,
    InjectedRecipient,
    Injection,
    JournalKind,
    LaneRest,
    Settlement,
)
from merpati.spool.shapes import JournalRow

NINE_O_CLOCK = 1_795_338_000_000  # 2026-11-22 09:00 UTC
MINUTE = 60_000
HOUR = 60 * MINUTE


def injection(*addresses: str | InjectedRecipient, **fields: Any) -> Injection:
    """Return a batch of one account for these recipients."""
    recipients = [
        InjectedRecipient(address) if isinstance(address, str) else address for address in addresses
    ]
    given: dict[str, Any] = {
        "account_id": 1,
        "transmission_id": "7000",
        "injected_at": NINE_O_CLOCK,
        "ip_pool": "default",
        "friendly_from": "toko@kirim.example",
        "sending_domain": "kirim.example",
        "subject": "Pesanan 42",
    }
    return Injection(**(given | fields), recipients=recipients)


def event(message_id: int, kind: EventType = EventType.DELIVERY, **fields: Any) -> Event:
    """Return an event of one message, a delivery unless said otherwise."""
    given: dict[str, Any] = {
        "at": NINE_O_CLOCK + MINUTE,
        "account_id": 1,
        "transmission_id": "7000",
        "injected_at": NINE_O_CLOCK,
        "rcpt_to": f"u{message_id}@penerima.example",
        "settlement": Settlement.DELIVERED if kind is EventType.DELIVERY else None,
    }
    return Event(type=kind, message_id=message_id, **(given | fields))


class Journal:
    """A shard's journal: numbers records and messages as the shard does."""

    def __init__(self) -> None:
        self.rows: list[JournalRow] = []
        self._next_message = 1

    def inject(self, *addresses: str | InjectedRecipient, **fields: Any) -> int:
        """Append a batch; return the id of its first message."""
        base = self._next_message
        self._next_message += len(addresses)
        payload = codec.pack(injection(*addresses, **fields))
        self._append(JournalKind.INJECTION, base, payload)
        return base

    def tell(self, *events: Event) -> None:
        """Append the events of one settle."""
        self._append(JournalKind.EVENTS, 0, codec.pack(list(events)))

    def rest(self, rest: LaneRest) -> None:
        """Append a refusal that let a lane rest."""
        self._append(JournalKind.REST, 0, codec.pack(rest))

    def _append(self, kind: JournalKind, base: int, payload: bytes) -> None:
        self.rows.append(JournalRow(len(self.rows) + 1, int(kind), base, payload))

    def __iter__(self) -> Iterator[JournalRow]:
        return iter(self.rows)
