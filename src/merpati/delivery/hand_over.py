"""Messages on their way through the composing threads: contents, memory, failures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from merpati.adapters import codec
from merpati.adapters.signing import RsaSigner
from merpati.contracts.sending_policy import SendingPolicy
from merpati.delivery.composing import (
    ComposeThreads,
    ContentCache,
    Failed,
    KeyRing,
    LoadedContent,
    Sealing,
)
from merpati.delivery.feed import Feed, ShardFeeds
from merpati.delivery.options import Options
from merpati.delivery.prepared import Budget, Prepared
from merpati.delivery.ready_queue import ReadyQueue
from merpati.delivery.verdict import Verdicts
from merpati.spool.errors import SpoolUnavailable
from merpati.spool.shapes import SpooledMessage

log = logging.getLogger(__name__)

READ_AGAIN_SECONDS = 1.0

Pick = tuple[Feed, SpooledMessage]


class HandOver:
    """Composes what ready queues pick; makes the threads, `close` ends them.

    open_key: opens the private keys of a policy; return_path_key: signs envelope senders.
    """

    def __init__(
        self,
        options: Options,
        budget: Budget,
        verdicts: Verdicts,
        open_key: Callable[[bytes], bytes],
        return_path_key: bytes,
    ) -> None:
        self._threads = ComposeThreads(options.compose_threads)
        self._contents = ContentCache(options.content_cache_bytes)
        self._budget = budget
        self._verdicts = verdicts
        self._open_key = open_key
        self._return_path_key = return_path_key
        self._opened: dict[bytes, RsaSigner] = {}
        self._keys = KeyRing((), open_key, self._opened)
        self._bounce_domain = ""
        self._typical_bytes = 16_384.0  # of a composed message

    def use_policy(self, policy: SendingPolicy) -> None:
        """Compose with another policy's keys from now on."""
        self._keys = KeyRing(policy.dkim_keys, self._open_key, self._opened)
        self._bounce_domain = policy.bounce_domain

    def close(self) -> None:
        """End the threads."""
        self._threads.close()

    async def compose(self, queue: ReadyQueue, picks: Sequence[Pick]) -> None:
        """Compose messages and give them to the queue that picked them."""
        estimate = int(self._typical_bytes * len(picks))
        self._budget.used_bytes += estimate
        prepared: list[Prepared] = []
        try:
            prepared = await self._compose(queue, picks)
        except SpoolUnavailable as error:
            log.warning("content_unreadable queue=%s reason=%s", queue.queue_id, error.reason)
            await asyncio.sleep(READ_AGAIN_SECONDS)
            for feed, row in reversed(picks):
                queue.undo_pick(feed, row)
        except (KeyError, codec.DecodeError) as error:
            log.exception("content_missing_or_damaged queue=%s", queue.queue_id)
            for feed, row in picks:
                reason = f"its content cannot be read ({type(error).__name__})"
                self._verdicts.not_generated(feed, row, queue.pool.name, reason)
        finally:
            self._budget.free(estimate)
            queue.composed(prepared, len(picks))

    async def _compose(self, queue: ReadyQueue, picks: Sequence[Pick]) -> list[Prepared]:
        home = picks[0][0].home  # of all of them: a queue belongs to a pool, so to one account
        contents = await self._load(home, {row.content_id for _, row in picks})
        sealing = Sealing(
            home.shard.number,
            home.shard.nonce,
            self._bounce_domain,
            self._return_path_key,
            self._keys,
        )
        rows = [row for _, row in picks]
        compositions = await self._threads.compose(rows, contents, sealing)
        prepared: list[Prepared] = []
        for (feed, row), composition in zip(picks, compositions, strict=True):
            if isinstance(composition, Failed):
                self._verdicts.not_generated(feed, row, queue.pool.name, composition.reason)
                continue
            message = Prepared(row, feed, queue, composition)
            self._budget.used_bytes += message.cost_bytes
            self._typical_bytes += (message.cost_bytes - self._typical_bytes) / 64
            prepared.append(message)
        return prepared

    async def _load(self, home: ShardFeeds, content_ids: set[int]) -> dict[int, LoadedContent]:
        """Return contents compiled. Raises SpoolUnavailable, KeyError, codec.DecodeError."""
        loaded: dict[int, LoadedContent] = {}
        for content_id in content_ids:
            key = (home.shard.number, content_id)
            content = self._contents.get(key)
            if content is None:
                content = await self._threads.load(await home.shard.content(content_id))
                self._contents.put(key, content)
            loaded[content_id] = content
        return loaded
