"""Contents that came with new mail, kept until its first hand-over so that none is read back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

LONGEST_SECONDS = 30.0  # what was not wanted by then makes room for others


class FreshContents:
    """Packed contents by (shard, content id), one for all shards of a worker.

    When it is full what is new is not kept, since the older is wanted first; all is on disk.
    """

    def __init__(self, limit_bytes: int, elapsed: Callable[[], float]) -> None:
        self._limit_bytes = limit_bytes
        self._elapsed = elapsed
        self._used_bytes = 0
        self._items: OrderedDict[tuple[int, int], tuple[bytes, float]] = OrderedDict()

    def keep(self, shard: int, contents: Mapping[int, bytes]) -> None:
        """Keep contents as far as there is room."""
        now = self._elapsed()
        for content_id, data in contents.items():
            if self._used_bytes + len(data) > self._limit_bytes:
                self._drop_old(now)
            key = (shard, content_id)
            if self._used_bytes + len(data) <= self._limit_bytes and key not in self._items:
                self._items[key] = (data, now)
                self._used_bytes += len(data)

    def take(self, shard: int, content_id: int) -> bytes | None:
        """Return a content and keep it no longer."""
        found = self._items.pop((shard, content_id), None)
        if found is None:
            return None
        self._used_bytes -= len(found[0])
        return found[0]

    def _drop_old(self, now: float) -> None:
        while self._items:
            data, kept_at = next(iter(self._items.values()))
            if now - kept_at < LONGEST_SECONDS:
                return
            self._items.popitem(last=False)
            self._used_bytes -= len(data)
