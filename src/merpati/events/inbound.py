"""What came in for our return paths, as the event store keeps it: looking at it, one by one."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from merpati.adapters import codec
from merpati.contracts.inbound import InboundMail
from merpati.spool.message_name import message_name

_read = codec.unpacker(InboundMail)


@dataclass(frozen=True, slots=True)
class StoredMail:
    """One message that came in. id: rises within a shard; message_id: as people see it."""

    id: int
    message_id: str
    mail: InboundMail

    def document(self) -> dict[str, Any]:
        """Return all that is known of it but its bytes."""
        mail = self.mail
        received = datetime.fromtimestamp(mail.received_at / 1000, UTC)
        return {
            "id": str(self.id),
            "received_at": received.isoformat(timespec="milliseconds"),
            "account_id": mail.account_id,
            "message_id": self.message_id,
            "msg_from": mail.msg_from,
            "rcpt_to": mail.rcpt_to,
            "peer": mail.peer,
            "size_bytes": mail.size_bytes,
            "kept_bytes": len(mail.data),
        }


def newest(db: sqlite3.Connection, account_id: int | None, limit: int) -> list[StoredMail]:
    """Return the newest `limit`, of one account or of all, the newest first."""
    rows = db.execute(
        "SELECT id, message, data FROM inbound WHERE ?1 IS NULL OR account = ?1"
        " ORDER BY received_at DESC, id DESC LIMIT ?2",
        (account_id, limit),
    )
    return [_stored(*row) for row in rows]


def find(db: sqlite3.Connection, mail_id: int) -> StoredMail | None:
    """Return one by its id, None when there is none."""
    row = db.execute("SELECT id, message, data FROM inbound WHERE id = ?", (mail_id,)).fetchone()
    return _stored(*row) if row else None


def _stored(mail_id: int, message: int, data: bytes) -> StoredMail:
    return StoredMail(mail_id, message_name(message), _read.decode(data))
