"""Learned paces on disk: each in the shard of its sending IP's account, written when it changes.

Off the hot path: one short task writes what changed, nothing waits for it. A worker that dies
between a reply and this commit forgets that one change.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from merpati.delivery.feed import ShardFeeds
from merpati.delivery.lessons import LaneKey, Lessons
from merpati.spool.errors import SpoolUnavailable

log = logging.getLogger(__name__)

TRY_AGAIN_SECONDS = 1.0


class PaceMemory:
    """Writes and reads. shard_of: the shard of an address's account, None for one that left."""

    def __init__(
        self,
        homes: Mapping[int, ShardFeeds],
        lessons: Lessons,
        shard_of: Callable[[str], int | None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._homes = homes
        self._lessons = lessons
        self._shard_of = shard_of
        self._spawn = spawn
        self._changed: dict[LaneKey, None] = {}  # in the order of changing
        self._found_in: dict[LaneKey, int] = {}  # shards
        self._is_writing = False

    def changed(self, key: LaneKey) -> None:
        """Have a lane's state written soon."""
        self._changed[key] = None
        if not self._is_writing:
            self._is_writing = True
            self._spawn(self._write_all())

    async def restore(self, home: ShardFeeds) -> None:
        """Take up what a shard keeps. Raises SpoolUnavailable."""
        paces = await home.shard.paces()
        for row in paces:
            self._found_in[row.sending_ip, row.provider] = home.shard.number
        self._lessons.restore(paces)

    async def _write_all(self) -> None:
        try:
            while self._changed:
                key = next(iter(self._changed))
                del self._changed[key]
                await self._write(key)
        finally:
            self._is_writing = False

    async def _write(self, key: LaneKey) -> None:
        number = self._shard_of(key[0])
        number = self._found_in.get(key) if number is None else number
        if number is None:
            return
        try:
            await self._homes[number].shard.keep_pace(*key, self._lessons.kept(key))
        except SpoolUnavailable as error:
            log.warning("pace_not_kept ip=%s provider=%s reason=%s", *key, error.reason)
            self._changed[key] = None
            await asyncio.sleep(TRY_AGAIN_SECONDS)
