"""Feeds with messages in memory, each in its turn; those of one engagement tier take turns."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from merpati.delivery.feed import Feed


class FeedTurns:
    """A feed stands in it once (`Feed.in_turn`), until it is its turn."""

    def __init__(self) -> None:
        self._tiers: dict[int, deque[Feed]] = {}  # none is empty; the next to have its turn first

    def __bool__(self) -> bool:
        """Return whether any feed waits for its turn."""
        return bool(self._tiers)

    def add(self, feed: Feed) -> None:
        """Have a feed wait for its turn."""
        if not feed.in_turn:
            feed.in_turn = True
            self._tiers.setdefault(feed.key.tier, deque()).append(feed)

    def next(self, *, best_first: bool) -> Feed:
        """Return whose turn it is: of the best tier, or of all tiers in turn. There is one."""
        tier = self.best if best_first else next(iter(self._tiers))
        feeds = self._tiers.pop(tier)
        feed = feeds.popleft()
        feed.in_turn = False
        if feeds:
            self._tiers[tier] = feeds  # behind the others
        return feed

    @property
    def best(self) -> int:
        """Return the tier that engaged most recently. There is one."""
        return min(self._tiers)

    def clear(self) -> None:
        """Forget all turns."""
        for feeds in self._tiers.values():
            for feed in feeds:
                feed.in_turn = False
        self._tiers.clear()
