"""What becomes of messages: endings of attempts, and ends without one, on their way to the settler.

An attempt delivers, bounces, or is postponed by the retry schedule until the message's life ends.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import assert_never

from merpati.adapters import codec
from merpati.adapters.clock import Clock
from merpati.contracts.batch import Recipient
from merpati.contracts.event import Settlement
from merpati.contracts.sending_policy import Account
from merpati.delivery import events
from merpati.delivery.events import Attempt, Way
from merpati.delivery.feed import Feed
from merpati.delivery.late import Dropped, Held
from merpati.delivery.local_hours import opens_at
from merpati.delivery.outcome import (
    Bounced,
    Deferred,
    Delivered,
    Ending,
    Returned,
    Uncertain,
)
from merpati.delivery.prepared import Prepared
from merpati.delivery.retry import (
    HOUR_MS,
    Expired,
    RetryAt,
    RetrySchedule,
    after_deferral,
    after_own_trouble,
    has_expired,
)
from merpati.delivery.settling import Settler
from merpati.providers.replies import Reading
from merpati.spool.message_name import name_of
from merpati.spool.shapes import Postponed, SpooledMessage

log = logging.getLogger(__name__)

LONGEST_UNSEEN_MS = HOUR_MS  # mail that waits for its IP is looked at again after so long

_read_recipient = codec.unpacker(Recipient)


class Verdicts:
    """Settles and postpones. uncertain: messages sent whole whose answer never came, so far."""

    def __init__(
        self,
        clock: Clock,
        schedule: RetrySchedule,
        settlers: Mapping[int, Settler],
        is_stopping: Callable[[], bool],
    ) -> None:
        self.uncertain = 0
        self._clock = clock
        self._schedule = schedule
        self._schedules: dict[int, RetrySchedule] = {}  # of accounts that have their own
        self._settlers = settlers
        self._is_stopping = is_stopping
        self._tells = log.isEnabledFor(logging.DEBUG)  # asked once, since there is much mail

    def use_accounts(self, accounts: Iterable[Account]) -> None:
        """Follow the accounts' own retry schedules."""
        self._schedules = {
            account.account_id: self._schedule.with_own(
                account.retry_seconds, account.expire_seconds
            )
            for account in accounts
            if (account.retry_seconds, account.expire_seconds) != (None, None)
        }

    def schedule(self, row: SpooledMessage) -> RetrySchedule:
        """Return when a message is tried again, and how long."""
        return self._schedules.get(row.account_id, self._schedule)

    def ended(self, message: Prepared, way: Way, ending: Ending) -> None:
        """Settle or postpone a message after an attempt."""
        feed, row = message.feed, message.row
        if self._tells:
            _tell(feed, row, way, ending)
        attempt = Attempt(row, message.rcpt_to, self._clock.now(), way, message.size_bytes)
        match ending:
            case Delivered():
                settler = self._settlers[feed.home.shard.number]
                settler.settle(row.message_id, events.delivered(attempt, ending))
            case Bounced(reading=Reading() as reading, reply=reply) if (
                reading.scope.binds and message.queue.split is not None
            ):
                # While mail moves no word on our reputation ends it: it waits for better days, or
                # goes by the old provider, as the migration says.
                self.defer(feed, attempt, Deferred(str(reply), reply, reading))
            case Bounced():
                self.give_up(feed, attempt, ending, Settlement.BOUNCED)
            case Returned() | Deferred(reply=None) if self._is_stopping():
                pass  # cut off by us, not by them: it is due as it was, after the restart
            case Deferred():
                self.defer(feed, attempt, ending)
            case Uncertain(reason):
                self.uncertain += 1
                log.warning(
                    "answer_lost message=%s remote=%s effect=may_be_repeated",
                    name_of(feed.home.shard.number, row.message_id),
                    way.remote,
                )
                self.defer(feed, attempt, Deferred(reason))
            case Returned(reason):
                self.defer(feed, attempt, Deferred(f"[internal] {reason}"))
            case _:
                assert_never(ending)

    def defer(self, feed: Feed, attempt: Attempt, outcome: Deferred) -> None:
        """Postpone a message, or let it expire."""
        row = attempt.row
        note = outcome.reason if outcome.reply is None else str(outcome.reply)
        match after_deferral(self.schedule(row), row.starts_at, row.attempts, attempt.at):
            case Expired():
                self.give_up(feed, attempt, events.expiry(note), Settlement.EXPIRED)
            case RetryAt(due_at):
                last_ip = attempt.way.sending_ip or None
                # What blames us must not be tried from another of our IPs.
                binds: bool | None = outcome.reading is not None and outcome.reading.scope.binds
                if attempt.way.egress:
                    binds = None  # an old provider's words are about no IP of ours
                # Also beyond the end of its life: then its last attempt is made when they end.
                due_at = opens_at(row, due_at)
                put_off = Postponed(row.message_id, due_at, True, last_ip, note, binds)
                event = events.delayed(attempt, outcome)
                self._settlers[feed.home.shard.number].postpone(feed.queue_id, put_off, event)

    def give_up(
        self, feed: Feed, attempt: Attempt, bounce: Bounced, settlement: Settlement
    ) -> None:
        """Settle a message that was refused for good, or that we stop trying."""
        settler = self._settlers[feed.home.shard.number]
        settler.settle(attempt.row.message_id, events.bounced(attempt, bounce, settlement))

    def not_generated(self, feed: Feed, row: SpooledMessage, ip_pool: str, reason: str) -> None:
        """Settle a message that could not be made."""
        attempt = self._without_try(row)._replace(way=Way(ip_pool))
        settler = self._settlers[feed.home.shard.number]
        settler.settle(row.message_id, events.not_generated(attempt, reason))

    def put_off(self, feed: Feed, row: SpooledMessage, ip_pool: str, reason: str) -> None:
        """Postpone a message that cannot be made just now; that is no attempt."""
        attempt = self._without_try(row)._replace(way=Way(ip_pool))
        note = f"[internal] {reason}"
        match after_own_trouble(self.schedule(row), row.starts_at, attempt.at):
            case Expired():
                self.give_up(feed, attempt, events.expiry(note), Settlement.EXPIRED)
            case RetryAt(due_at):
                postponed = Postponed(row.message_id, due_at, attempted=False, note=note)
                event = events.delayed(attempt, Deferred(note))
                self._settlers[feed.home.shard.number].postpone(feed.queue_id, postponed, event)

    def put_off_unseen(self, feed: Feed, row: SpooledMessage, until: int, why: str = "") -> None:
        """Put off a message whose only way is closed until then: no attempt, and no event.

        For an hour at most: the way may be open earlier than it seems now, or become another, and
        nothing but a look tells the message. why: kept with it as long as no reply is.
        """
        attempt = self._without_try(row)
        match after_own_trouble(self.schedule(row), row.starts_at, attempt.at):
            case Expired():
                last = "; ".join(filter(None, (row.note, why)))
                self.give_up(feed, attempt, events.expiry(last), Settlement.EXPIRED)
            case RetryAt(due_at):
                soon = attempt.at + LONGEST_UNSEEN_MS
                ends_at = row.starts_at + self.schedule(row).life_ms
                due_at = min(max(due_at, until), soon, ends_at)
                note = f"[internal] {why}" if why and not row.note else None
                put_off = Postponed(row.message_id, due_at, attempted=False, note=note)
                self._settlers[feed.home.shard.number].put_off(feed.queue_id, put_off)

    def wait_for_hours(self, feed: Feed, row: SpooledMessage, until: int) -> None:
        """Put off a message that waited into its recipient's quiet hours; that is no attempt."""
        put_off = Postponed(row.message_id, until, attempted=False)
        self._settlers[feed.home.shard.number].put_off(feed.queue_id, put_off)

    def suppress(self, feed: Feed, row: SpooledMessage, ip_pool: str, source: str) -> None:
        """Settle a message whose recipient was suppressed while it waited."""
        attempt = self._without_try(row)._replace(way=Way(ip_pool))
        self.give_up(feed, attempt, events.suppressed(source), Settlement.SUPPRESSED)

    def too_late(self, feed: Feed, row: SpooledMessage, late: Dropped | Held) -> None:
        """Settle scheduled mail that was found late, or put it off to the end of its life."""
        attempt = self._without_try(row)
        match late:
            case Dropped(reason):
                self.give_up(feed, attempt, events.dropped(reason), Settlement.FAILED)
            case Held(reason, is_over=True):
                self.give_up(feed, attempt, events.expiry(reason), Settlement.EXPIRED)
            case Held(reason):
                ends_at = row.starts_at + self.schedule(row).life_ms
                postponed = Postponed(row.message_id, ends_at, attempted=False, note=reason)
                event = events.delayed(attempt, Deferred(reason))
                self._settlers[feed.home.shard.number].postpone(feed.queue_id, postponed, event)

    def cancel(self, shard: int, row: SpooledMessage, bounce: Bounced) -> None:
        """Settle a message that was cancelled before it was sent."""
        event = events.bounced(self._without_try(row), bounce, Settlement.CANCELLED)
        self._settlers[shard].settle(row.message_id, event)

    def give_up_all(
        self, feed: Feed, bounce: Bounced, settlement: Settlement, policy_version: int
    ) -> None:
        """Settle what a feed has in memory, as far as this policy knows of it."""
        while feed.buffer and feed.buffer[0].policy_version <= policy_version:
            if feed.home.is_sick:
                return
            self.give_up(feed, self._without_try(feed.buffer.popleft()), bounce, settlement)
        feed.home.read_ahead(feed)
        feed.home.discard_if_empty(feed)

    def expire_overdue(self, feed: Feed, reason: str) -> None:
        """Give up the messages at the head of a feed whose life is over.

        Only for mail that cannot be tried: whatever can gets its last attempt first.
        """
        now = self._clock.now()
        buffer = feed.buffer
        while buffer and self._is_over(buffer[0], now):
            if feed.home.is_sick:
                return
            row = buffer.popleft()
            end = events.expiry(row.note or reason)
            self.give_up(feed, self._without_try(row), end, Settlement.EXPIRED)
        feed.home.read_ahead(feed)

    def defer_head(self, feed: Feed, reason: str) -> None:
        """Count a failed lookup as an attempt of the oldest message, so that it shows and ends."""
        self.expire_overdue(feed, reason)
        if feed.buffer and not feed.home.is_sick:
            attempt = self._without_try(feed.buffer.popleft())
            self.defer(feed, attempt, Deferred(f"[internal] {reason}"))
            feed.home.read_ahead(feed)

    def _is_over(self, row: SpooledMessage, now: int) -> bool:
        return has_expired(self.schedule(row), row.starts_at, now)

    def _without_try(self, row: SpooledMessage) -> Attempt:
        try:
            rcpt_to = _read_recipient.decode(row.recipient).rcpt_to
        except codec.DecodeError:  # the row is damaged; its end must be told all the same
            rcpt_to = ""
        return Attempt(row, rcpt_to, self._clock.now())


def _tell(feed: Feed, row: SpooledMessage, way: Way, ending: Ending) -> None:
    """Log an attempt; the recipient stays out of it, the event store has the story."""
    log.debug(
        "attempt message=%s outcome=%s ip=%s provider=%s remote=%s",
        name_of(feed.home.shard.number, row.message_id),
        type(ending).__name__.lower(),
        way.sending_ip,
        way.provider,
        way.remote,
    )
