"""Old providers as documents: what `--json` prints and the API answers, without passwords."""

from __future__ import annotations

from typing import Any

from merpati.sending.egress_check import Found
from merpati.sending.models import Egress
from merpati.settings import HostPort


def egress_document(row: Egress) -> dict[str, Any]:
    """Return what an egress is, and what its last check found."""
    return {
        "name": row.name,
        "target": str(HostPort(row.host, row.port)),
        "tls": row.tls,
        "user": row.username or None,
        "password": "set" if row.username else None,
        "connections": row.connections,
        "messages_per_minute": row.messages_per_minute,
        "checked_at": row.checked_at,
        "trouble": row.trouble or None,
    }


def found_document(row: Egress, found: Found) -> dict[str, Any]:
    """Return what a check found: how far it came, what is wrong and what to do."""
    return {
        "name": row.name,
        "target": str(HostPort(row.host, row.port)),
        "ok": found.is_well,
        "stage": found.stage,
        "kind": found.kind.value if found.kind else None,
        "trouble": found.trouble or None,
        "remedy": found.remedy or None,
        "slowest_answer_s": round(found.slowest.total_seconds(), 1),
    }
