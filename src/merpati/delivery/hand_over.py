"""Messages on their way through the composing threads: contents, memory, failures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, assert_never

from merpati.adapters import codec
from merpati.adapters.clock import Clock
from merpati.adapters.signing import Signer
from merpati.contracts.sending_policy import DkimKey, SendingPolicy
from merpati.delivery.composing import (
    ComposeThreads,
    Composition,
    Failed,
    KeyRing,
    LoadedContent,
    RecentlyUsed,
    Sealing,
    compose_all,
    load_raw,
)
from merpati.delivery.feed import Feed, ShardFeeds
from merpati.delivery.fresh_contents import FreshContents
from merpati.delivery.last_look import LastLook, Suppressed, Unreadable
from merpati.delivery.late import LateReport
from merpati.delivery.local_hours import opens_at
from merpati.delivery.options import Options
from merpati.delivery.prepared import Budget, Prepared
from merpati.delivery.ready_queue import ReadyQueue
from merpati.delivery.verdict import Verdicts
from merpati.message.compose import Composed
from merpati.message.raw import CompiledRaw
from merpati.spool.errors import ContentUnreadable, SpoolUnavailable
from merpati.spool.message_name import name_of
from merpati.spool.shapes import SpooledMessage

log = logging.getLogger(__name__)

READ_AGAIN_SECONDS = 1.0

Pick = tuple[Feed, SpooledMessage]
Found = LoadedContent | bytes | ContentUnreadable | Exception | None
"""What became of a content that was looked for; None: it is gone."""


class HandOver:
    """Composes what ready queues pick; makes the threads, `close` ends them.

    open_key: opens the private keys of a policy; return_path_key: signs envelope senders; spawn:
    runs work beside the caller's; fresh: contents that came just now; look: at mail that waited;
    is_accepting: whether callers wait for their 2xx right now.
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
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        fresh: FreshContents,
        look: LastLook,
        is_accepting: Callable[[], bool],
    ) -> None:
        self._threads = ComposeThreads(options.compose_threads, is_accepting)
        self._contents: RecentlyUsed[LoadedContent] = RecentlyUsed(options.content_cache_bytes)
        self._deferred: RecentlyUsed[Composed] = RecentlyUsed(options.deferred_bytes)
        self._spawn = spawn
        self._fresh = fresh
        self._budget = budget
        self._verdicts = verdicts
        self._open_key = open_key
        self._return_path_key = return_path_key
        self._look = look
        self._signs = options.signs
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
        self._deferred.clear()  # composed under the keys and routes of another policy

    def _rings_of(self, keys: Sequence[DkimKey]) -> dict[bool, KeyRing]:
        return {
            signs: KeyRing(keys, self._open_key, self._opened, signs) for signs in (True, False)
        }

    def close(self) -> None:
        """End the threads."""
        self._threads.close()

    def keep(self, message: Prepared) -> None:
        """Keep a deferred message as it was composed and signed, for its next attempt."""
        key = (message.feed.home.shard.number, message.row.message_id)
        self._deferred.put(key, message.composed, message.size_bytes)

    def compose(self, queue: ReadyQueue, picks: Sequence[Pick]) -> None:
        """Compose messages and give them to the queue that picked them.

        At once where that is little work (unsigned, as a client wrote it, content at hand): to
        change threads would cost several times as much.
        """
        in_time = self._in_time(picks)
        if len(in_time) < len(picks):
            queue.composed((), len(picks) - len(in_time))
        if not in_time:
            return
        home = in_time[0][0].home  # of all: a queue belongs to a pool, so to one account
        contents = self._at_hand(home.shard.number, in_time)
        rows = [row for _, row in in_time]
        if not self._is_signed(queue) and self._are_light(rows, contents):
            _, compositions = compose_all(rows, contents, {}, self._sealing(queue, home))
            prepared, left = self._concluded(queue, in_time, {}, compositions)
            queue.composed(prepared, len(in_time) - len(left))
            if left:
                self._spawn(self._pick_again_later(queue, left))
        else:
            self._spawn(self._compose_in_thread(queue, in_time, contents))

    def _at_hand(self, shard: int, picks: Sequence[Pick]) -> dict[int, LoadedContent | bytes]:
        """Return the contents that need not be read, some of them still to be loaded."""
        found: dict[int, LoadedContent | bytes] = {}
        for _, row in picks:
            content_id = row.content_id
            if content_id in found:
                continue
            if (loaded := self._contents.get((shard, content_id))) is not None:
                found[content_id] = loaded
            elif (data := self._fresh.take(shard, content_id)) is not None:
                found[content_id] = load_raw(data) or data
        return found

    def _are_light(
        self, rows: Sequence[SpooledMessage], contents: Mapping[int, LoadedContent | bytes]
    ) -> bool:
        for row in rows:
            match contents.get(row.content_id):
                case LoadedContent(compiled=CompiledRaw()):
                    pass
                case _:
                    return False
        return not self._look.is_wanted(rows)

    def _is_signed(self, queue: ReadyQueue) -> bool:
        return self._signs and queue.destination.is_signed

    def _sealing(self, queue: ReadyQueue, home: ShardFeeds) -> Sealing:
        return Sealing(
            home.shard.number,
            home.shard.nonce,
            self._bounce_domain,
            self._return_path_key,
            self._rings[self._is_signed(queue)],
            self._look,
        )

    async def _compose_in_thread(
        self,
        queue: ReadyQueue,
        picks: Sequence[Pick],
        contents: dict[int, LoadedContent | bytes],
    ) -> None:
        estimate = int(self._typical_bytes * len(picks))
        self._budget.take(queue, estimate)
        prepared: list[Prepared] = []
        left = picks  # neither prepared nor ended: they go back
        try:
            prepared, left = await self._compose(queue, picks, contents)
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
            await self._pick_again_later(queue, left)

    async def _pick_again_later(self, queue: ReadyQueue, picks: Sequence[Pick]) -> None:
        await asyncio.sleep(READ_AGAIN_SECONDS)
        for feed, row in reversed(picks):
            queue.undo_pick(feed, row)
        queue.composed((), len(picks))

    async def _compose(
        self,
        queue: ReadyQueue,
        picks: Sequence[Pick],
        contents: dict[int, LoadedContent | bytes],
    ) -> tuple[list[Prepared], list[Pick]]:
        """Return what can be sent, and what a defect left; what cannot be made has ended.

        Raises SpoolUnavailable.
        """
        home = picks[0][0].home
        shard = home.shard.number
        rows = [row for _, row in picks]
        missing = dict.fromkeys(row.content_id for row in rows if row.content_id not in contents)
        found = await self._read(home, list(missing)) if missing else {}
        contents |= {one: data for one, data in found.items() if isinstance(data, bytes)}
        kept = {
            row.message_id: composed
            for row in rows
            if row.attempts
            and (composed := self._deferred.take((shard, row.message_id))) is not None
        }
        sealing = self._sealing(queue, home)
        loaded, compositions = await self._threads.compose(rows, contents, kept, sealing)
        return self._concluded(queue, picks, found | contents | loaded, compositions)

    async def _read(
        self, home: ShardFeeds, wanted: list[int]
    ) -> dict[int, bytes | ContentUnreadable | Exception | None]:
        """Return contents from disk, or what is wrong with them. Raises SpoolUnavailable."""
        found: dict[int, bytes | ContentUnreadable | Exception | None] = {}
        while wanted:
            try:
                found |= await home.shard.contents(wanted)
            except SpoolUnavailable:
                raise
            except Exception as defect:
                return found | dict.fromkeys(wanted, defect)
            home.trouble = ""
            wanted = [content_id for content_id in wanted if content_id not in found]
        return found

    def _concluded(
        self,
        queue: ReadyQueue,
        picks: Sequence[Pick],
        contents: Mapping[int, Found],
        compositions: Mapping[int, Composition],
    ) -> tuple[list[Prepared], list[Pick]]:
        """Return what can be sent, and what a defect of ours left; the rest ends here.

        contents: what was loaded, or could not be, is kept or told of.
        """
        shard = picks[0][0].home.shard.number
        prepared: list[Prepared] = []
        left: list[Pick] = []
        for feed, row in picks:
            try:
                result = compositions.get(row.message_id)
                content = contents.get(row.content_id)
                if result is None:
                    result = self._unusable((shard, row.content_id), content)
                elif isinstance(content, LoadedContent) and not row.is_alone:
                    self._use_again((shard, row.content_id), content)
                message = self._conclude(queue, feed, row, result)
            except Exception:
                # A defect of ours: it may hold up this message, but not the others.
                log.exception(
                    "message_failed message=%s effect=tried_again", name_of(shard, row.message_id)
                )
                left.append((feed, row))
                continue
            if message is not None:
                prepared.append(message)
        return prepared, left

    def _in_time(self, picks: Sequence[Pick]) -> Sequence[Pick]:
        """Return what may leave now: neither late nor in quiet hours; the rest has ended or waits.

        What waited for an allowance, or for anything else, may have come into quiet hours.
        """
        if all(row.starts_at <= row.injected_at for _, row in picks):
            return picks  # nothing of it was scheduled
        now = self._clock.now()
        in_time = []
        for feed, row in picks:
            if (until := opens_at(row, now)) > now:
                self._verdicts.wait_for_hours(feed, row, until)
                continue
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

    def _use_again(self, key: tuple[int, int], content: LoadedContent) -> None:
        self._reported.discard(key)
        self._contents.put(key, content, content.size_bytes)

    def _unusable(self, key: tuple[int, int], trouble: Found) -> Failed | Unreadable:
        """Return what the messages come to whose content cannot be used."""
        match trouble:
            case None:
                self._report(key, "effect=mail_fails reason=it is gone")
                return Failed("its content is gone")
            case ContentUnreadable():
                self._report(key, f"effect=mail_put_off reason={trouble.reason}")
                return Unreadable(trouble.reason)
            case codec.DecodeError():
                self._report(key, f"effect=mail_fails reason={trouble}")
                return Failed("its content is damaged")
            case _:
                # A defect of ours, so the mail is kept: a release that mends it still sends it.
                defect = trouble if isinstance(trouble, Exception) else None
                self._report(key, "effect=mail_put_off", defect)
                return Unreadable("an internal error while reading its content")

    def _report(self, key: tuple[int, int], words: str, defect: Exception | None = None) -> None:
        """Log the trouble of a content, once for all its messages."""
        if key not in self._reported:
            self._reported.add(key)
            log.error("content_unusable shard=%d content=%d %s", *key, words, exc_info=defect)
