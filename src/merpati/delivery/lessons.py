"""What replies taught about all lanes of a worker: few entries, none for lanes at full pace.

Told by outcomes, looked at once a second, kept in the shard of the sending IP's account whenever it
changes, so that a restart forgets no pause. Nothing of it is touched by mail that is delivered at
the configured pace.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from merpati.adapters import codec
from merpati.adapters.clock import Clock
from merpati.delivery.learned_pace import (
    HITS_SECONDS,
    Kept,
    Learned,
    kept,
    proven,
    restored,
    risen,
    taught,
)
from merpati.delivery.outcome import Reply
from merpati.providers.directory import Pace
from merpati.providers.replies import Reading
from merpati.spool.shapes import LanePace

log = logging.getLogger(__name__)

LaneKey = tuple[str, str]  # sending IP, provider

_read_kept = codec.unpacker(Kept)


class Lessons:
    """Learned paces by lane. on_change: called with the key of a lane whose pace changed."""

    def __init__(self, clock: Clock, on_change: Callable[[LaneKey], None]) -> None:
        self._clock = clock
        self._on_change = on_change
        self._learned: dict[LaneKey, Learned] = {}
        self._hits: dict[tuple[LaneKey, str], deque[float]] = {}  # of replies that need company

    def __iter__(self) -> Iterator[tuple[LaneKey, Learned]]:
        """Iterate over the lanes that are slower than configured."""
        return iter(list(self._learned.items()))

    def of(self, key: LaneKey) -> Learned | None:
        """Return what holds for a lane, None at the configured pace."""
        return self._learned.get(key)

    def teach(self, key: LaneKey, reading: Reading, reply: Reply, configured: Pace) -> bool:
        """Do what a reply's reading asks for, once it came often enough; return whether it did."""
        reaction, now = reading.reaction, self._clock.elapsed()
        if reaction is None or not self._is_enough((key, reading.rule), reaction.after, now):
            return False
        before = self._learned.get(key)
        after = taught(
            before,
            reaction,
            configured,
            now,
            cause=reading.cause,
            reply=str(reply),
            at=self._clock.now(),
        )
        if after is before:
            return False
        self._learned[key] = after
        log.warning(
            "pace_lowered ip=%s provider=%s cause=%s pause_s=%.0f connections=%d per_minute=%s "
            "repeats=%d reply=%r",
            *key,
            after.cause,
            max(0.0, after.paused_until - now),
            after.pace.connections,
            after.pace.messages_per_minute or "-",
            after.repeats,
            after.reply,
        )
        self._on_change(key)
        return True

    def prove(self, key: LaneKey) -> None:
        """Shorten a lane's step: so many were delivered in it."""
        learned = self._learned.get(key)
        if learned is not None:
            self._learned[key] = proven(learned)

    def rise(self, now: float) -> None:
        """Let the paces rise whose step is over; now: monotonic seconds."""
        for key, before in self:
            after = risen(before, now)
            if after is before:
                continue
            if after is None:
                del self._learned[key]
                log.info("pace_restored ip=%s provider=%s", *key)
            else:
                self._learned[key] = after
            self._on_change(key)
        for hit, times in list(self._hits.items()):
            if now - times[-1] > HITS_SECONDS:
                del self._hits[hit]

    def forget(self, key: LaneKey) -> None:
        """Go back to the configured pace at once: the operator knows better."""
        if self._learned.pop(key, None) is not None:
            log.warning("pace_lifted ip=%s provider=%s", *key)
            self._on_change(key)

    def kept(self, key: LaneKey) -> bytes | None:
        """Return what is to be on disk for a lane, None for nothing."""
        learned = self._learned.get(key)
        if learned is None:
            return None
        return codec.pack(kept(learned, self._clock.elapsed(), self._clock.now()))

    def restore(self, rows: Iterable[LanePace]) -> None:
        """Take up what an earlier process kept; what this one learned already goes before."""
        for row in rows:
            key = (row.sending_ip, row.provider)
            if key in self._learned:
                continue
            learned = None
            try:
                found = _read_kept.decode(row.state)
                learned = restored(found, self._clock.elapsed(), self._clock.now())
            except codec.DecodeError as error:  # another version's: nothing that mail depends on
                log.warning("pace_unreadable ip=%s provider=%s error=%s", *key, error)
            if learned is not None:
                self._learned[key] = learned
            self._on_change(key)

    def _is_enough(self, hit: tuple[LaneKey, str], after: int, now: float) -> bool:
        if after == 1:
            return True
        times = self._hits.setdefault(hit, deque(maxlen=after))
        times.append(now)
        return len(times) == after and now - times[0] <= HITS_SECONDS
