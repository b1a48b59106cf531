"""Taking messages in groups: what a customer sent while its group before was being stored.

A group is judged in one thread and stored by one request, so that of fifty clients at once each
message costs a fraction of a change of thread and of a commit. Nothing waits on purpose: a message
that comes alone is a group. Each account has a lane of its own, so that nobody's mail waits for
another's, nor for another's worker that does not answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, TypeVar

from merpati.smtp.session import Envelope

log = logging.getLogger(__name__)
Judged = TypeVar("Judged")

GROUP = 128  # messages
GROUP_BYTES = 1 << 20  # so that nobody's small message waits for many large ones
RECIPIENT_BYTES = 512  # what one counts beside the message: the rows it becomes

INTERNAL_ERROR = "451 4.3.0 Internal error: try again later"


class Incoming(NamedTuple):
    """A message that came in whole, and the client's address."""

    envelope: Envelope
    peer: str


class Taker(Protocol[Judged]):
    """Who takes messages, in two steps."""

    def judge(self, messages: Sequence[Incoming]) -> Sequence[Judged]:
        """Do what computes or asks the database, in a thread; messages: of one account."""

    async def store(self, judged: Sequence[Judged]) -> Sequence[str]:
        """Store what can be taken; return the replies: 250 only for what is on disk."""


Answered = Callable[[str], None]


_Lane = deque[tuple[Incoming, Answered]]  # what waits while a group is under way


class Takers:
    """The lanes of one port; used on the loop."""

    def __init__(self, taker: Taker[Any], threads: ThreadPoolExecutor) -> None:
        self._taker = taker
        self._threads = threads
        self._lanes: dict[int | None, _Lane] = {}  # by account; those with a group under way
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, message: Incoming, answered: Answered) -> None:
        """Have a message stored; `answered` gets its reply."""
        identity = message.envelope.identity
        account_id = None if identity is None else identity.account_id
        lane = self._lanes.get(account_id)
        if lane is not None:
            lane.append((message, answered))
            return
        lane = self._lanes[account_id] = deque([(message, answered)])
        # A task begins after what else came in with this round of the loop.
        task = asyncio.get_running_loop().create_task(self._empty(account_id, lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _empty(self, account_id: int | None, lane: _Lane) -> None:
        try:
            while lane:
                await self._take(_next_group(lane))
        finally:
            del self._lanes[account_id]

    async def _take(self, group: list[tuple[Incoming, Answered]]) -> None:
        loop = asyncio.get_running_loop()
        messages = [message for message, _ in group]
        try:
            judged = await loop.run_in_executor(self._threads, self._taker.judge, messages)
            replies = await self._taker.store(judged)
        except Exception:  # a defect of ours must not leave clients without an answer
            log.exception("smtp_service_failed messages=%d", len(group))
            replies = [INTERNAL_ERROR] * len(group)
        for (_, answered), reply in zip(group, replies, strict=True):
            loop.call_soon(answered, reply)  # what goes wrong with one client is its own


def _next_group(waiting: _Lane) -> list[tuple[Incoming, Answered]]:
    group: list[tuple[Incoming, Answered]] = []
    size = 0
    while waiting and len(group) < GROUP and size < GROUP_BYTES:
        envelope = waiting[0][0].envelope
        size += len(envelope.data) + RECIPIENT_BYTES * len(envelope.recipients)
        group.append(waiting.popleft())
    return group
