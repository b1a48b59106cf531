"""Scheduled mail that is found late: sent, held or dropped, as the operator has set (D14).

Late is what was due hours ago and never tried, because nothing ran, or nothing could leave; its
recipient's quiet hours do not count. Mail that was sent at once when it was injected is never late:
its sender has no moment in mind.
"""

from __future__ import annotations

import enum
import logging
from dataclasses import dataclass

from merpati.delivery.local_hours import open_ms
from merpati.delivery.retry import HOUR_MS
from merpati.spool.shapes import SpooledMessage

log = logging.getLogger(__name__)

HELD_NOTE = "[internal] held: scheduled mail found late"
_MOST_REPORTED = 10_000  # contents remembered, so that each is logged once


class LatePolicy(enum.StrEnum):
    """What becomes of late mail."""

    SEND = "send"
    HOLD = "hold"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Dropped:
    """Too late to be of use: it is not sent."""

    reason: str


@dataclass(frozen=True, slots=True)
class Held:
    """It waits for a person, at most until its life ends. is_over: that has come."""

    reason: str
    is_over: bool


@dataclass(frozen=True, slots=True)
class LateRule:
    """The operator's wish. after_ms: from so much on a message counts as late."""

    policy: LatePolicy = LatePolicy.SEND
    after_ms: int = HOUR_MS

    def judge(self, row: SpooledMessage, life_ms: int, now: int) -> Dropped | Held | None:
        """Return what stops a message, None when it may go.

        Mail held once and due again before its life ended was let go by a person.
        """
        late_ms = self.late_ms(row, now)
        if late_ms is None or self.policy is LatePolicy.SEND:
            return None
        if self.policy is LatePolicy.DROP:
            return Dropped(f"not sent: found {late_ms / HOUR_MS:.1f} hours late")
        is_over = now - row.starts_at >= life_ms
        if row.note == HELD_NOTE and not is_over:
            return None
        return Held(HELD_NOTE, is_over)

    def late_ms(self, row: SpooledMessage, now: int) -> int | None:
        """Return how late a message is, None when it is not."""
        is_scheduled = row.starts_at > row.injected_at and not row.attempts
        if not is_scheduled or now - row.starts_at < self.after_ms:
            return None
        late_ms = open_ms(row, now)
        return late_ms if late_ms >= self.after_ms else None


class LateReport:
    """Says once per transmission, in the log, that its mail is late and what becomes of it."""

    def __init__(self, rule: LateRule) -> None:
        self._rule = rule
        self._reported: dict[tuple[int, int], None] = {}  # shard, content

    def note(self, shard: int, row: SpooledMessage, now: int) -> None:
        """Take note of a message that is about to go, or was stopped."""
        late_ms = self._rule.late_ms(row, now)
        key = (shard, row.content_id)
        if late_ms is None or key in self._reported:
            return
        self._reported[key] = None
        if len(self._reported) > _MOST_REPORTED:
            del self._reported[next(iter(self._reported))]
        log.warning(
            "scheduled_late account=%d transmission=%s hours=%.1f policy=%s",
            row.account_id,
            row.transmission_id,
            late_ms / HOUR_MS,
            self._rule.policy,
        )
