"""Days on which a person's number holds, read; `actions.py` writes them."""

from __future__ import annotations

from datetime import date

from merpati.plans.models import WarmupOverride
from merpati.plans.warmup.deciding import Overridden


def overridden_on(sending_ip_id: int, day: date) -> dict[str, Overridden]:
    """Return what holds for an IP on a day, by provider; of several the newest."""
    rows = WarmupOverride.objects.filter(
        sending_ip_id=sending_ip_id, first_day__lte=day, last_day__gte=day
    ).order_by("id")
    return {row.provider: Overridden(row.messages, row.created_at.date() == day) for row in rows}
