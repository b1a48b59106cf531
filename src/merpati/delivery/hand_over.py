"""Messages on their way through the composing threads: contents, memory, failures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import assert_never

from merpati.adapters import codec
from merpati.adapters.clock import Clock
from merpati.adapters.signing import Signer
from merpati.contracts.sending_policy import DkimKey, SendingPolicy
from merpati.delivery.composing import (
    ComposeThreads,
    Composition,
    ContentCache,
    Failed,
    KeyRing,
    LoadedContent,
    Sealing,
)
from merpati.delivery.feed import Feed, ShardFeeds
from merpati.delivery.last_look import LastLook, Suppressed, Unreadable
from merpati.delivery.late import LateReport
from merpati.delivery.options import Options
from merpati.delivery.prepared import Budget, Prepared
from merpati.delivery.ready_queue import ReadyQueue
from merpati.delivery.verdict import Verdicts
from merpati.message.compose import Composed
from merpati.spool.errors import ContentUnreadable, SpoolUnavailable
from merpati.spool.message_name import name_of
from merpati.spool.shapes import SpooledMessage

log = logging.getLogger(__name__)

READ_AGAIN_SECONDS = 1.0

Pick = tuple[Feed, SpooledMessage]


class HandOver:
    """Composes what ready queues pick; makes the threads, `close` ends them.

    open_key: opens the private keys of a policy; return_path_key: signs envelope senders; look: at
    mail that waited; is_accepting: whether callers wait for their 2xx right now.
    """

    def __init__(
        self,
        options: Options,
        budget: Budget,
        verdicts: Verdicts,
        open_key: Callable[[bytes], bytes],
        return_path_key: bytes,
        *,
        clock: Clock,
        look: LastLook,
        is_accepting: Callable[[], bool],
    ) -> None:
        self._threads = ComposeThreads(options.compose_threads, is_accepting)
        self._contents = ContentCache(options.content_cache_bytes)
        self._budget = budget
        self._verdicts = verdicts
        self._open_key = open_key
        self._return_path_key = return_path_key
        self._look = look
        self._late = options.late
        self._late_report = LateReport(options.late)
        self._clock = clock
        self._reported: set[tuple[int, int]] = set()  # troubled contents: (shard, content id)
        self._opened: dict[bytes, Signer] = {}
        self._rings = self._rings_of(())
        self._bounce_domain = ""
        self._typical_bytes = 16_384.0  # of a composed message

    def use_policy(self, policy: SendingPolicy) -> None:
        """Compose with another policy's keys from now on."""
        self._rings = self._rings_of(policy.dkim_keys)
        self._bounce_domain = policy.bounce_domain

    def _rings_of(self, keys: Sequence[DkimKey]) -> dict[bool, KeyRing]:
        return {
            signs: KeyRing(keys, self._open_key, self._opened, signs) for signs in (True, False)
        }

    def close(self) -> None:
        """End the threads."""
        self._threads.close()

    async def compose(self, queue: ReadyQueue, picks: Sequence[Pick]) -> None:
        """Compose messages and give them to the queue that picked them."""
        in_time = self._in_time(picks)
        if len(in_time) < len(picks):
            queue.composed((), len(picks) - len(in_time))
            picks = in_time
        if not picks:
            return
        estimate = int(self._typical_bytes * len(picks))
        self._budget.take(queue, estimate)
        prepared: list[Prepared] = []
        left = picks  # neither prepared nor ended: they go back
        try:
            prepared, left = await self._compose(queue, picks)
        except SpoolUnavailable as error:
            log.warning("spool_unreadable queue=%s reason=%s", queue.queue_id, error.reason)
            picks[0][0].home.trouble = error.reason
        except Exception:
            log.exception("hand_over_failed queue=%s effect=tried_again", queue.queue_id)
        finally:
            self._budget.free(queue, estimate)
        if len(left) < len(picks):
            queue.composed(prepared, len(picks) - len(left))
        if left:
            await asyncio.sleep(READ_AGAIN_SECONDS)
            for feed, row in reversed(left):
                queue.undo_pick(feed, row)
            queue.composed((), len(left))

    async def _compose(
        self, queue: ReadyQueue, picks: Sequence[Pick]
    ) -> tuple[list[Prepared], list[Pick]]:
        """Return what can be sent, and what a defect left; what cannot be made has ended."""
        home = picks[0][0].home  # of all of them: a queue belongs to a pool, so to one account
        contents: dict[int, LoadedContent] = {}
        results: dict[int, Composition] = {}  # by message id
        loaded = await self._load(home, dict.fromkeys(row.content_id for _, row in picks))
        for _, row in picks:
            content = loaded[row.content_id]
            if isinstance(content, LoadedContent):
                contents[row.content_id] = content
            else:
                results[row.message_id] = content
        if contents:
            rows = [row for _, row in picks if row.content_id in contents]
            sealing = Sealing(
                home.shard.number,
                home.shard.nonce,
                self._bounce_domain,
                self._return_path_key,
                self._rings[queue.destination.is_signed],
                self._look,
            )
            compositions = await self._threads.compose(rows, contents, sealing)
            for row, composition in zip(rows, compositions, strict=True):
                results[row.message_id] = composition
        prepared: list[Prepared] = []
        left: list[Pick] = []
        for feed, row in picks:
            try:
                message = self._conclude(queue, feed, row, results[row.message_id])
            except Exception:
                # A defect of ours: it may hold up this message, but not the others.
                log.exception(
                    "message_failed message=%s effect=tried_again",
                    name_of(home.shard.number, row.message_id),
                )
                left.append((feed, row))
                continue
            if message is not None:
                prepared.append(message)
        return prepared, left

    def _in_time(self, picks: Sequence[Pick]) -> Sequence[Pick]:
        """Return what is not stopped for being late; that has ended, or was put off."""
        if all(row.starts_at <= row.injected_at for _, row in picks):
            return picks  # nothing of it was scheduled
        now = self._clock.now()
        in_time = []
        for feed, row in picks:
            self._late_report.note(feed.home.shard.number, row, now)
            stopped = self._late.judge(row, self._verdicts.schedule(row).life_ms, now)
            if stopped is None:
                in_time.append((feed, row))
            else:
                self._verdicts.too_late(feed, row, stopped)
        return in_time

    def _conclude(
        self, queue: ReadyQueue, feed: Feed, row: SpooledMessage, result: Composition
    ) -> Prepared | None:
        match result:
            case Composed():
                message = Prepared(row, feed, queue, result)
                self._budget.take(queue, message.cost_bytes)
                self._typical_bytes += (message.cost_bytes - self._typical_bytes) / 64
                return message
            case Failed(reason):
                self._verdicts.not_generated(feed, row, queue.pool.name, reason)
            case Suppressed(source):
                self._verdicts.suppress(feed, row, queue.pool.name, source)
            case Unreadable(reason):
                self._verdicts.put_off(feed, row, queue.pool.name, reason)
            case _:
                assert_never(result)
        return None

    async def _load(
        self, home: ShardFeeds, content_ids: Collection[int]
    ) -> dict[int, LoadedContent | Failed | Unreadable]:
        """Return contents compiled, or what their messages come to. Raises SpoolUnavailable.

        What is not at hand is read by one call and compiled in one thread: where each message has
        a content of its own, changing threads would cost more than the work.
        """
        number = home.shard.number
        found: dict[int, LoadedContent | Failed | Unreadable] = {}
        wanted = []
        for content_id in content_ids:
            content = self._contents.get((number, content_id))
            if content is None:
                wanted.append(content_id)
            else:
                found[content_id] = content
        while wanted:
            try:
                read = await home.shard.contents(wanted)
            except SpoolUnavailable:
                raise
            except Exception as defect:
                return found | {one: self._loaded((number, one), defect) for one in wanted}
            home.trouble = ""
            loaded: Mapping[int, LoadedContent | Exception] = await self._threads.load(
                {content_id: data for content_id, data in read.items() if isinstance(data, bytes)}
            )
            for content_id, data in read.items():
                result = loaded.get(content_id, data)
                found[content_id] = self._loaded((number, content_id), result)
            wanted = [content_id for content_id in wanted if content_id not in read]
        return found

    def _loaded(
        self, key: tuple[int, int], result: LoadedContent | Exception | bytes | None
    ) -> LoadedContent | Failed | Unreadable:
        match result:
            case LoadedContent():
                self._reported.discard(key)
                self._contents.put(key, result)
                return result
            case None:
                self._report(key, "effect=mail_fails reason=it is gone")
                return Failed("its content is gone")
            case ContentUnreadable():
                self._report(key, f"effect=mail_put_off reason={result.reason}")
                return Unreadable(result.reason)
            case codec.DecodeError():
                self._report(key, f"effect=mail_fails reason={result}")
                return Failed("its content is damaged")
            case _:
                # A defect of ours, so the mail is kept: a release that mends it still sends it.
                defect = result if isinstance(result, Exception) else None
                self._report(key, "effect=mail_put_off", defect)
                return Unreadable("an internal error while reading its content")

    def _report(self, key: tuple[int, int], words: str, defect: Exception | None = None) -> None:
        """Log the trouble of a content, once for all its messages."""
        if key not in self._reported:
            self._reported.add(key)
            log.error("content_unusable shard=%d content=%d %s", *key, words, exc_info=defect)
