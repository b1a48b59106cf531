"""Refusals that let a lane rest, told to those who warm IPs up.

What a lane does not try nobody refuses: where pacing holds mail back after one refusal, that one
stands for all the others. The event of the attempt says so; a refusal that answered no attempt, as
of the greeting, is journalled for itself. Next to no mail is refused like this.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from merpati.adapters import codec
from merpati.adapters.clock import Clock
from merpati.contracts.event import JournalKind, LaneRest
from merpati.delivery.feed import ShardFeeds
from merpati.delivery.lessons import LaneKey
from merpati.delivery.outcome import Reply
from merpati.providers.replies import Reading
from merpati.spool.errors import SpoolError

log = logging.getLogger(__name__)

# Asks for a second try and for no less mail, however often it is said.
_NO_SIGN = "greylist"


def is_told(reading: Reading) -> bool:
    """Return whether a reply that has just changed a lane's pace stands for others."""
    reaction = reading.reaction
    return reaction is not None and reaction.holds_back and reading.cause != _NO_SIGN


class Rests:
    """Journals those without an attempt. shard_of: of an address's account, None if it left."""

    def __init__(
        self,
        clock: Clock,
        homes: Mapping[int, ShardFeeds],
        shard_of: Callable[[str], int | None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._clock = clock
        self._homes = homes
        self._shard_of = shard_of
        self._spawn = spawn

    def tell(self, key: LaneKey, reading: Reading, reply: Reply) -> None:
        """Have a refusal of a lane journalled soon."""
        shard = self._shard_of(key[0])
        if shard is not None:
            rest = LaneRest(self._clock.now(), *key, reply.code, int(reading.bounce_class))
            self._spawn(self._record(shard, rest))

    async def _record(self, shard: int, rest: LaneRest) -> None:
        try:
            await self._homes[shard].shard.record(JournalKind.REST, codec.pack(rest))
        except SpoolError as error:
            log.warning(
                "rest_not_recorded ip=%s provider=%s effect=warm_up_misses_a_refusal reason=%s",
                rest.sending_ip,
                rest.provider,
                error,
            )
