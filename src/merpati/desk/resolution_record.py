"""The resolution record: who agreed on what, and when. Signed at the moment of the agreement."""

from __future__ import annotations

from typing import Any

from merpati.desk.case_states import Act, Side
from merpati.desk.models import Case, CaseUpdate

FORMAT = "merpati-case-resolution-1"
_TOLD = (Act.PROPOSE, Act.WITHDRAW, Act.DISPUTE, Act.AGREE)


def record_of(case: Case) -> dict[str, Any]:
    """Return the record of a case that was just agreed on: texts and whole numbers alone."""
    steps = [_step(update) for update in case.updates.filter(kind__in=_TOLD).order_by("id")]
    return {
        "format": FORMAT,
        "case": case.pk,
        "account": {"id": case.account_id, "name": case.account.name},
        "kind": case.kind,
        "subject": case.subject,
        "opened_at": case.opened_at.isoformat(),
        "opened_by": {"name": case.opened_by.name, "email": case.opened_by.email},
        "representative": (
            {"name": case.representative.name, "email": case.representative.email}
            if case.representative
            else None
        ),
        "resolved_at": case.resolved_at.isoformat() if case.resolved_at else None,
        "resolution": next(s["text"] for s in reversed(steps) if s["what"] == Act.PROPOSE),
        "steps": steps,
    }


def _step(update: CaseUpdate) -> dict[str, Any]:
    # A customer's name is what the call said; the key it came with is what is certain.
    way = {"via": update.via} if update.side == Side.CUSTOMER else {}
    return way | {
        "what": update.kind,
        "at": update.at.isoformat(),
        "side": update.side,
        "name": update.author_name,
        "email": update.author_email,
        "text": update.text,
    }
