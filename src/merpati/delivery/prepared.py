"""One message between its pick and its outcome, and the memory that such messages may take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from merpati.spool.shapes import SpooledMessage

if TYPE_CHECKING:
    from merpati.delivery.feed import Feed
    from merpati.delivery.ready_queue import ReadyQueue
    from merpati.message.compose import Composed


SHARED_BYTES = 65_536  # chunks from this size on are files that all messages of a content share


class Prepared:
    """A composed message.

    chunks: CRLF lines, dot-stuffed, ending in CRLF, without the final dot. cost_bytes: what the
    message holds of the budget. returned: how often a connection gave it back, untried.
    """

    __slots__ = (
        "chunks",
        "composed",
        "cost_bytes",
        "feed",
        "is_8bit",
        "msg_from",
        "queue",
        "rcpt_to",
        "returned",
        "row",
        "size_bytes",
    )

    def __init__(
        self, row: SpooledMessage, feed: Feed, queue: ReadyQueue, composed: Composed
    ) -> None:
        self.row = row
        self.feed = feed
        self.queue = queue
        self.composed = composed
        self.msg_from = composed.msg_from
        self.rcpt_to = composed.rcpt_to
        self.chunks: Sequence[bytes] = composed.chunks
        self.size_bytes = composed.size_bytes
        self.cost_bytes = composed.size_bytes
        self.is_8bit = composed.is_8bit
        if len(self.chunks) > 1:
            self.cost_bytes = sum(
                len(chunk)
                for index, chunk in enumerate(self.chunks)
                if index == 0 or len(chunk) < SHARED_BYTES
            )
        self.returned = 0


class Budget:
    """Bytes of composed messages in memory, all queues together.

    A queue may hold no more than what is then left for all others. So some is always left: a
    provider that takes one byte a minute costs its own share, however many such there are.

    Source: Choudhury, Hahne, "Dynamic queue length thresholds", 1998.
    """

    def __init__(self, limit_bytes: int, wake: Callable[[ReadyQueue], None]) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0
        self._wake = wake
        self._waiting: dict[ReadyQueue, None] = {}  # in the order of asking

    def has_room(self, queue: ReadyQueue) -> bool:
        """Return whether another hand-over may be composed for a queue; one more always fits."""
        return queue.used_bytes < self.limit_bytes - self.used_bytes

    def take(self, queue: ReadyQueue, size_bytes: int) -> None:
        """Use memory, or expect to."""
        self.used_bytes += size_bytes
        queue.used_bytes += size_bytes

    def wait(self, queue: ReadyQueue) -> None:
        """Wake the queue once there is room."""
        self._waiting[queue] = None

    def free(self, queue: ReadyQueue, size_bytes: int) -> None:
        """Give memory back."""
        self.used_bytes -= size_bytes
        queue.used_bytes -= size_bytes
        if self._waiting and self.used_bytes < self.limit_bytes:
            waiting, self._waiting = self._waiting, {}
            for one in waiting:
                self._wake(one)
