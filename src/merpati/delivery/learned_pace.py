"""What a provider's replies taught about the pace of one lane, one sending IP at one provider.

Down: a reaction pauses the lane, lowers its pace, or both; the same again before all is forgotten
lasts twice as long, up to a cap. Replies to attempts that were begun before count once. Up: when
its time is over the pace rises step by step (connections by an eighth of what is configured, at
least one; rate and messages a connection doubled) until nothing is left to remember. Enough clean
deliveries end a step at half its time. So whatever comes, silence of `LONGEST_SECONDS` brings back
the configured pace, and no pace is ever above it.

Pure. Times are monotonic seconds that the caller passes; only what is shown or kept across a
restart is wall time, in milliseconds since the epoch.

Source: the field's practice that `providers/reaction.py` carries; Google's "resume with one
connection, add one at a time".
"""

from __future__ import annotations

import msgspec

from merpati.providers.bounce_class import Cause
from merpati.providers.directory import Pace
from merpati.providers.reaction import LONGEST_MINUTES, Reaction

STEP_SECONDS = 600.0  # between two rises
LATE_SECONDS = 60.0  # after a change, replies to what was begun before it still come in
CLEAN_DELIVERIES = 50  # in one step: then half its time is enough
HITS_SECONDS = 3_600.0  # replies that need company (`after`) are counted so long
MOST_DOUBLINGS = 3  # of a pause or a step that repeats
LONGEST_PAUSE = LONGEST_MINUTES * 60.0
LONGEST_HOLD = 6 * 3_600.0  # at the lowest pace
MOST_STEPS = 40  # from one message a minute to a million, with room to spare
LONGEST_SECONDS = LONGEST_PAUSE + LONGEST_HOLD + MOST_STEPS * STEP_SECONDS
ASSUMED_PER_MINUTE = 6_000  # where no rate is configured: what known providers are assumed to bear
SHOWN_CHARACTERS = 200  # of a reply

_DAY_MS = 86_400_000


class Learned(msgspec.Struct, frozen=True):
    """A pace below the configured one, why it holds, and when it ends.

    paused_until: nothing is begun before; step_from, step_at: the present step, the pace rises at
    its end; pause_seconds: as the reaction had it, before any doubling; repeats: reactions since
    the pace was last the configured one, less one. cause, reply: what the provider said last, and
    since when that holds. allowance_percent: left of the IP's allowance on `allowance_day`.
    """

    pace: Pace
    configured: Pace  # when it was last lowered
    paused_until: float
    step_from: float
    step_at: float
    changed_at: float
    cause: Cause
    reply: str
    since: int
    pause_seconds: float = 0.0
    repeats: int = 0
    allowance_percent: int = 100
    allowance_day: int = 0

    def is_paused(self, now: float) -> bool:
        """Return whether nothing may be begun."""
        return now < self.paused_until


def taught(
    learned: Learned | None,
    reaction: Reaction,
    configured: Pace,
    now: float,
    *,
    cause: Cause,
    reply: str,
    at: int,
) -> Learned:
    """Return what holds after a reply at `now` (wall time `at`); itself when nothing changes."""
    learned = risen(learned, now) if learned is not None else None
    if learned is not None and _is_late(learned, now):
        return _stricter(learned, reaction, now, cause=cause, reply=reply, at=at)
    repeats = 0 if learned is None else learned.repeats + 1
    pace = least(configured, learned.pace if learned is not None else None)
    pause = _pause_seconds(reaction, repeats)
    paused_until = now + min(pause * _doubled(repeats), LONGEST_PAUSE)
    return Learned(
        pace=_lowered(pace, reaction, is_paused=pause > 0),
        configured=configured,
        paused_until=paused_until,
        step_from=paused_until,
        step_at=paused_until + _hold_seconds(reaction, repeats),
        changed_at=now,
        cause=cause,
        reply=reply[:SHOWN_CHARACTERS],
        since=at,
        pause_seconds=pause,
        repeats=repeats,
        **_allowance(learned, reaction, at),
    )


def risen(learned: Learned, now: float) -> Learned | None:
    """Return what holds at `now`: itself before the step's end, None at the configured pace."""
    while now >= learned.step_at:
        pace = _raised(learned.pace, learned.configured)
        if pace == learned.configured:
            return None
        learned = msgspec.structs.replace(
            learned,
            pace=pace,
            step_from=learned.step_at,
            step_at=learned.step_at + STEP_SECONDS,
            changed_at=learned.step_at,
        )
    return learned


def proven(learned: Learned) -> Learned:
    """Return the same with half a step's time, since CLEAN_DELIVERIES were taken in it."""
    half = (learned.step_from + learned.step_at) / 2
    return msgspec.structs.replace(learned, step_at=half)


def least(one: Pace, other: Pace | None) -> Pace:
    """Return the slower of two paces, in each respect."""
    if other is None:
        return one
    rates = [rate for rate in (one.messages_per_minute, other.messages_per_minute) if rate]
    return Pace(
        min(one.connections, other.connections),
        min(one.messages_per_connection, other.messages_per_connection),
        min(rates, default=None),
    )


# Across restarts.


class Kept(msgspec.Struct, frozen=True):
    """A learned pace on disk: its times are seconds from `at` on, which is wall time."""

    learned: Learned
    at: int


def kept(learned: Learned, now: float, at: int) -> Kept:
    """Return what is written to disk at `now`, wall time `at`."""
    return Kept(_shifted(learned, -now), at)


def restored(found: Kept, now: float, at: int) -> Learned | None:
    """Return what is left of a kept state; None when it is over. A clock set back ends nothing."""
    passed = max(0, at - found.at) / 1000
    learned = _shifted(found.learned, now - passed)
    # Whatever stood in the file, it ends.
    latest = now + LONGEST_PAUSE
    learned = msgspec.structs.replace(
        learned,
        paused_until=min(learned.paused_until, latest),
        step_at=min(learned.step_at, latest + LONGEST_HOLD),
    )
    return risen(learned, now)


def _shifted(learned: Learned, seconds: float) -> Learned:
    return msgspec.structs.replace(
        learned,
        paused_until=learned.paused_until + seconds,
        step_from=learned.step_from + seconds,
        step_at=learned.step_at + seconds,
        changed_at=learned.changed_at + seconds,
    )


# Steps.


def _is_late(learned: Learned, now: float) -> bool:
    return learned.is_paused(now) or now - learned.changed_at < LATE_SECONDS


def _stricter(
    learned: Learned, reaction: Reaction, now: float, *, cause: Cause, reply: str, at: int
) -> Learned:
    """Answer a reply to what was begun before the last change: only one that asks for more."""
    pause = _pause_seconds(reaction, learned.repeats)
    pace = learned.pace
    if not reaction.halve:
        pace = _lowered(pace, reaction, is_paused=pause > 0)
    if pause <= learned.pause_seconds and pace == learned.pace:
        return learned
    paused_until = learned.paused_until
    if pause > learned.pause_seconds:
        until = now + min(pause * _doubled(learned.repeats), LONGEST_PAUSE)
        paused_until = max(paused_until, until)
    hold = _hold_seconds(reaction, learned.repeats)
    return msgspec.structs.replace(
        learned,
        pace=pace,
        paused_until=paused_until,
        step_from=max(paused_until, learned.step_from),
        step_at=max(learned.step_at, paused_until + hold, now + hold),
        changed_at=now,
        cause=cause,
        reply=reply[:SHOWN_CHARACTERS],
        since=at,
        pause_seconds=max(pause, learned.pause_seconds),
        **_allowance(learned, reaction, at),
    )


def _pause_seconds(reaction: Reaction, repeats: int) -> float:
    minutes = reaction.pause_minutes
    if repeats:
        minutes = max(minutes, reaction.pause_when_repeated_minutes)
    return minutes * 60.0


def _hold_seconds(reaction: Reaction, repeats: int) -> float:
    seconds = max(reaction.slow_minutes * 60.0, STEP_SECONDS / 2)
    return min(seconds * _doubled(repeats), LONGEST_HOLD)


def _doubled(repeats: int) -> int:
    return 1 << min(repeats, MOST_DOUBLINGS)


def _lowered(pace: Pace, reaction: Reaction, *, is_paused: bool) -> Pace:
    """Return the pace after a reaction; after a pause mail begins with one connection."""
    if reaction.halve:
        rate = max(1, (pace.messages_per_minute or ASSUMED_PER_MINUTE) // 2)
        pace = Pace(max(1, pace.connections // 2), pace.messages_per_connection, rate)
    wanted = Pace(
        reaction.connections or (1 if is_paused else pace.connections),
        reaction.messages_per_connection or pace.messages_per_connection,
        reaction.messages_per_minute,
    )
    return least(pace, wanted)


def _raised(pace: Pace, configured: Pace) -> Pace:
    rate = pace.messages_per_minute
    if rate is not None:
        rate *= 2
        if rate >= (configured.messages_per_minute or ASSUMED_PER_MINUTE):
            rate = configured.messages_per_minute
    raised = Pace(
        pace.connections + max(1, configured.connections // 8),
        pace.messages_per_connection * 2,
        rate,
    )
    return least(raised, configured)


def _allowance(learned: Learned | None, reaction: Reaction, at: int) -> dict[str, int]:
    """Return what is left of the day's allowance: cut once a day by each kind of reaction."""
    today = at // _DAY_MS
    percent = reaction.allowance_percent
    if learned is not None and learned.allowance_day == today:
        percent = min(percent, learned.allowance_percent)
    return {"allowance_percent": percent, "allowance_day": today}
