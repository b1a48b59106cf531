"""When a deferred message is tried again, and when it is given up.

20, 40, 80 … minutes after each attempt; the last attempt falls on the end of the message's life, so
what it expires of is what the provider said last. That is 72 hours after `starts_at`: injection, or
the moment it was scheduled for. Pure; times are milliseconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """first: wait after the first attempt, doubled each time; life: from `starts_at` to expiry."""

    first_ms: int = 20 * MINUTE_MS
    life_ms: int = 72 * 60 * MINUTE_MS

    def with_own(self, retry_seconds: int | None, expire_seconds: int | None) -> RetrySchedule:
        """Return this schedule with an account's own values; None: as here."""
        return RetrySchedule(
            self.first_ms if retry_seconds is None else retry_seconds * 1000,
            self.life_ms if expire_seconds is None else expire_seconds * 1000,
        )


@dataclass(frozen=True, slots=True)
class RetryAt:
    """The message waits until then."""

    due_at: int


@dataclass(frozen=True, slots=True)
class Expired:
    """Its life is over: no further attempt."""


def after_deferral(
    schedule: RetrySchedule, starts_at: int, attempts: int, now: int
) -> RetryAt | Expired:
    """Return what follows a deferral at `now`.

    attempts: made before the one that was just deferred. A wait that would outlast the message's
    life ends with it: one last attempt is made then.
    """
    expires_at = starts_at + schedule.life_ms
    if now >= expires_at:
        return Expired()
    # The shift is capped: a message postponed by hand many times must not overflow the calendar.
    return RetryAt(min(now + (schedule.first_ms << min(attempts, 20)), expires_at))


def after_own_trouble(schedule: RetrySchedule, starts_at: int, now: int) -> RetryAt | Expired:
    """Return what follows when trouble of our own, at `now`, left a message without an attempt.

    A minute for new mail, a quarter of its age for older, at most an hour: soon after the trouble
    ends, and yet, over three days, some ninety traces of it rather than thousands.
    """
    expires_at = starts_at + schedule.life_ms
    if now >= expires_at:
        return Expired()
    wait = min(max(MINUTE_MS, (now - starts_at) // 4), HOUR_MS)
    return RetryAt(min(now + wait, expires_at))


def has_expired(schedule: RetrySchedule, starts_at: int, now: int) -> bool:
    """Return whether the message's life is over."""
    return now >= starts_at + schedule.life_ms
