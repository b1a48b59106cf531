"""Mail that is due, by IP pool and provider, on its way from the feeds to the lines.

The sending IP is chosen here, when a message is assigned: that of its last attempt first (a
greylisting provider wants to see it again), else the pool's in turn, skipping those that are
missing from the host, spent for today, paused or backing off. Only when all that could send have
spent their allowance the overflow pool takes over; if that cannot either, mail waits, and `reason`
says for what. A message whose last attempt blamed us (`is_bound`) does not hop: it waits for its IP
on disk, as long as that is in the pool and on the host.

A warming IP takes those of the best engagement tier among what waits; a warm one takes all tiers in
turn, so that nobody starves whom it could serve. Where mail is split with an old provider, what is
that one's to send is handed to the queue's partner (`old_queue.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from merpati.delivery.aside import MOST_ASIDE, Aside
from merpati.delivery.destinations import Destination, Whereto
from merpati.delivery.feed_turns import FeedTurns
from merpati.delivery.ip_choice import LocalPool, usable_ips
from merpati.delivery.prepared import Budget, Prepared
from merpati.delivery.reasons import Reason, ordered, sentence, spent

if TYPE_CHECKING:
    from merpati.adapters.clock import Clock
    from merpati.contracts.sending_policy import Egress, Order
    from merpati.delivery.allowance import Allowance
    from merpati.delivery.feed import Feed
    from merpati.delivery.lane import Line
    from merpati.delivery.old_queue import OldQueue
    from merpati.delivery.sending_ip import LocalIp
    from merpati.delivery.split import Split
    from merpati.spool.shapes import SpooledMessage

MOST_TIER = 99  # above all engagement tiers
BOUNDLESS = 1 << 62  # messages
HAND_OVER = 16  # messages composed in one go: fewer cost switches, more cost latency

Pick = tuple["Feed", "SpooledMessage"]
QueueId = tuple[int, str, tuple[str, ...], tuple[str, ...]]  # pool_id, provider, site, kind


class QueueHost(Protocol):
    """What ready queues need of the engine they belong to."""

    clock: Clock
    budget: Budget

    @property
    def is_stopping(self) -> bool:
        """Return whether nothing more may be begun."""

    @property
    def policy_version(self) -> int:
        """Return the version of the sending policy that is held."""

    def line(self, ip: LocalIp, destination: Destination) -> Line:
        """Return the line from an IP to a destination."""

    def wants_allowance(self, allowance: Allowance) -> None:
        """Reserve a further block of an allowance, if that makes sense now."""

    def compose(self, queue: ReadyQueue, rows: Sequence[Pick]) -> None:
        """Compose messages, at once or in a thread; `composed` takes them."""

    def replace(self, feed: Feed) -> None:
        """Find out anew where a feed's mail goes."""

    def put_off(self, feed: Feed, row: SpooledMessage, until: int, why: str = "") -> None:
        """Put off, on disk, a message whose only way is closed until then."""

    def old_way(self, egress: Egress) -> Whereto | None:
        """Return where an old provider is; None: it is being looked up, all queues hear of it."""

    def cancelled_in_queue(self, feed: Feed, row: SpooledMessage) -> None:
        """Settle a message that was cancelled while a queue kept it."""

    def expire_overdue(self, feed: Feed, reason: str) -> None:
        """Give up the messages at the head of a feed whose life is over."""

    def wake(self, queue: ReadyQueue) -> None:
        """Have the queue pumped soon."""


class ReadyQueue:
    """Due mail of one pool for one site of one provider."""

    def __init__(
        self,
        host: QueueHost,
        pool: LocalPool,
        destination: Destination,
        fresh: Callable[[Feed], Destination | None],
        orders: Sequence[Order] = (),
        *,
        barred: tuple[str, ...] = (),
        split: Split | None = None,
    ) -> None:
        self.pool = pool
        self.destination = destination
        self.feeds: set[Feed] = set()
        self.ready: deque[Prepared] = deque()  # composed and not assigned
        self.composing = 0
        self.lines: list[Line] = []  # those used last
        self.reason: Reason | None = None  # why nothing moves; None while it does
        self.used_bytes = 0  # of the budget
        self.is_retired = False
        self.barred = barred  # addresses that the engagement tiers of this queue may not use
        self.split = split
        self.old: OldQueue | None = None  # its partner, see `divide`
        self.is_spent = False  # none of our IPs has any allowance left for its mail
        self._is_full = False  # as much waits as today's allowances bear
        self._aside = Aside(host, self)  # of ours, met by the partner
        self._for_old: Aside | None = None  # the partner's, met by us
        self._is_pumping = False
        self._orders = orders
        self._host = host
        self._fresh = fresh
        self._turns = FeedTurns()
        self._turn = 0  # of the IPs

    @property
    def queue_id(self) -> QueueId:
        """Return the key of this queue."""
        there = self.destination
        return (self.pool.pool_id, there.provider, there.site, self.barred)

    def attach(self, feed: Feed) -> None:
        """Draw from a feed from now on."""
        feed.placed_in = self
        feed.reason, feed.until = "", None
        self.feeds.add(feed)
        self.has_rows(feed)

    def detach(self, feed: Feed) -> None:
        """Draw no more from a feed."""
        feed.placed_in = None
        self.feeds.discard(feed)

    def has_rows(self, feed: Feed) -> None:
        """Learn that a feed has messages in memory."""
        if feed.buffer:
            self._turns.add(feed)
            if self.old is not None:
                self._host.wake(self.old)

    def composed(self, messages: Sequence[Prepared], count: int) -> None:
        """Take the result of a hand-over of `count`; those that failed are not among them."""
        self.composing -= count
        if self.is_retired:
            for message in messages:
                self.put_back(message)
        else:
            self.ready.extend(messages)
            if not self._is_pumping:
                self._host.wake(self)

    def put_back(self, message: Prepared) -> None:
        """Undo a pick: the message is due as it was, and its memory is free."""
        self._host.budget.free(self, message.cost_bytes)
        self.undo_pick(message.feed, message.row)

    def undo_pick(self, picked: Feed, row: SpooledMessage) -> None:
        """Have a message picked again, wherever its feed is placed by now."""
        feed = picked.home.current(picked)
        feed.buffer.appendleft(row)
        if feed.placed_in is None:
            self._host.replace(feed)
        else:
            feed.placed_in.has_rows(feed)
            self._host.wake(feed.placed_in)

    def retire(self) -> None:
        """Undo all picks: the policy changed, so everything is placed anew."""
        self.is_retired = True
        if self.old is not None:
            self.old.retire()  # while its rows' feeds are here to take them back
        while self.ready:
            self.put_back(self.ready.pop())
        for aside in self._asides:
            self._return(aside)
        for feed in list(self.feeds):
            self.detach(feed)
        self._turns.clear()
        for line in self.lines:
            line.customers.discard(self)

    @property
    def has_mail(self) -> bool:
        """Return whether there is mail in memory that is not assigned."""
        return bool(self.ready or self._turns or self._aside)

    @property
    def is_unused(self) -> bool:
        """Return whether the queue may be forgotten."""
        is_idle = not (self.feeds or self.ready or self.composing or any(self._asides))
        return is_idle and not (self.old is not None and (self.old.ready or self.old.composing))

    def pump(self) -> None:
        """Move what can be moved: assign what is composed, compose what there is room for."""
        if self._host.is_stopping or self.is_retired:
            return
        for aside in self._asides:
            aside.drop_cancelled()
        lines = self._usable_lines()
        if not lines:
            self._while_stuck()
            return
        rooms = [line.room() for line in lines]
        if self.ready:
            self._assign(lines, rooms)
        waiting = len(self.ready)
        self._is_pumping = True
        try:
            self._compose_ahead(sum(room for room in rooms if room > 0))
        finally:
            self._is_pumping = False
        # Composed at once; or the better tier that a warming IP was kept for turned out to be none.
        if len(self.ready) > waiting or (self.ready and not self.composing):
            self._assign(lines, rooms)
        for line in lines:
            line.kick()

    def _while_stuck(self) -> None:
        """Nothing can leave: free the memory, and let what is too old expire."""
        while self.ready:
            self.put_back(self.ready.pop())
        if self.old is None or self.old.reason is not None:
            self._return(self._aside)
        why = sentence(self.reason, self._host.clock.now()) if self.reason is not None else ""
        for feed in list(self.feeds):
            self._host.expire_overdue(feed, why)

    # Which IP.

    def _is_ordered_to_wait(self) -> bool:
        if self._orders:
            now_ms = self._host.clock.now()
            for order in self._orders:
                if now_ms < order.until:
                    self.reason = ordered(order)
                    return True
        return False

    def _usable_lines(self) -> list[Line]:
        if self._is_ordered_to_wait():
            return []
        choice = usable_ips(
            self.pool,
            self.destination,
            self.barred,
            self._host.wants_allowance,
            overflows=self.split is None or self.split.overflows,
        )
        lines = [self._host.line(ip, self.destination) for ip in choice.ips]
        if lines:
            self._become_customer_of(lines)
        is_full = bool(lines) and self._spare() < 1
        if (choice.is_spent, is_full) != (self.is_spent, self._is_full):
            self.is_spent, self._is_full = choice.is_spent, is_full
            self.sort_aside()
        self.reason = choice.reason
        if not lines:
            return []
        now = self._host.clock.elapsed()
        usable = [line for line in lines if line.is_usable(now)]
        if not usable:  # what ends first
            reasons = [line.why_not(now) for line in lines]
            self.reason = min(reasons, key=lambda reason: reason.until or 0)
        return usable

    def _become_customer_of(self, lines: list[Line]) -> None:
        if lines != self.lines:
            for line in self.lines:
                line.customers.discard(self)
            self.lines = lines
            for line in lines:
                line.customers.add(self)

    def _assign(self, lines: list[Line], rooms: list[int]) -> None:
        by_address = {line.lane.ip.address: index for index, line in enumerate(lines)}
        held: list[Prepared] = []  # for an IP that is full just now: others need not wait
        best = self._best_tier(lines)
        spare = self._spare()
        while self.ready:
            row = self.ready[0].row
            if self.split is not None and self._goes_old(row, spare):
                self.put_back(self.ready.popleft())
                spare += 1
                continue
            if row.is_bound and (ip := self._only_ip(row)) is not None:
                if not self._assign_bound(ip):
                    held.append(self.ready.popleft())
                continue
            index = by_address.get(row.last_ip, -1)
            if index < 0 or not lines[index].is_allowed:
                is_best = best == MOST_TIER or self.ready[0].feed.key.tier <= best
                index = self._next_with_room(lines, rooms, is_best)
            if index < 0 and max(rooms, default=0) > 0:
                held.append(self.ready.popleft())
                continue
            if index < 0:
                break
            rooms[index] -= 1
            lines[index].assign(self.ready.popleft())
        self.ready.extendleft(reversed(held))

    # Mail that must not hop.

    def _only_ip(self, row: SpooledMessage) -> LocalIp | None:
        """Return the IP a bound message waits for; None when it can never send it any more.

        It may have left the pool or the host, or the provider moved to the other address family.
        """
        ip = self.pool.member(row.last_ip)
        if ip is None or ip.is_missing or not self.destination.is_reached_from(ip.address):
            return None
        return ip

    def _assign_bound(self, ip: LocalIp) -> bool:
        """Assign the first message to its IP, or put it off; False: it is only full just now."""
        line = self._line_of(ip)
        if line is None:
            message = self.ready.popleft()
            self._host.budget.free(self, message.cost_bytes)
            self._host.put_off(message.feed, message.row, *self._closed(ip))
            return True
        if line.room() <= 0:
            return False
        line.assign(self.ready.popleft())
        line.kick()
        return True

    def _line_of(self, ip: LocalIp) -> Line | None:
        """Return the line of an IP if it takes messages; one slowed by replies only if not full."""
        if ip.spent_at(self.destination.provider) is not None:
            return None
        line = self._host.line(ip, self.destination)
        if not line.is_usable(self._host.clock.elapsed()):
            return None
        return None if line.lane.learned is not None and line.room() <= 0 else line

    def _closed(self, ip: LocalIp) -> tuple[int, str]:
        """Return until when an IP takes no messages (milliseconds since the epoch), and why."""
        line, now = self._host.line(ip, self.destination), self._host.clock.elapsed()
        if (allowance := ip.spent_at(self.destination.provider)) is not None:
            reason: Reason = spent([allowance])
        elif line.is_usable(now):
            return 0, ""
        else:
            reason = line.why_not(now)
        return reason.until or 0, sentence(reason, self._host.clock.now())

    def _next_with_room(self, lines: list[Line], rooms: list[int], is_best: bool) -> int:
        for _ in rooms:
            self._turn = (self._turn + 1) % len(rooms)
            if rooms[self._turn] > 0 and (is_best or not lines[self._turn].is_warming):
                return self._turn
        return -1

    def _best_tier(self, lines: list[Line]) -> int:
        """Return up to which engagement tier warming IPs are used, by what waits in memory."""
        if not any(line.is_warming for line in lines):
            return MOST_TIER
        best = min((message.feed.key.tier for message in self.ready), default=MOST_TIER)
        # What cannot be composed for want of memory must not keep what is composed waiting.
        if self._turns and self._host.budget.has_room(self):
            best = min(best, self._turns.best)
        return best

    # Mail that is split with an old provider.

    def divide(self, old: OldQueue) -> None:
        """Leave to a partner, from now on, what is not ours to send."""
        self.old = old
        self._for_old = Aside(self._host, old)

    @property
    def _asides(self) -> tuple[Aside, ...]:
        return (self._aside,) if self._for_old is None else (self._aside, self._for_old)

    def _goes_old(self, row: SpooledMessage, spare: int) -> bool:
        """Return whether the old provider is to send a row; spare: see there, after this row."""
        if self.split is None or self.old is None:
            return False
        return self.split.goes_old(
            row.bucket,
            is_refused=row.is_bound and self._only_ip(row) is not None,
            is_spent=self.is_spent or (row.bucket < self.split.share and spare < 0),
            has_old_failed=self.old.has_failed,
        )

    def _spare(self) -> int:
        """Return how much more may wait for our IPs than does; less than none is too much already.

        Allowances go over the whole day, so what is above them would else wait for its end, each
        day some more. Only mail that the old provider relieves us of has such a limit.
        """
        if self.split is None or not self.split.is_relieved or not self.lines:
            return BOUNDLESS
        bears = 0
        for line in self.lines:
            if not line.lane.allowances:
                return BOUNDLESS
            bears += min(allowance.bears for allowance in line.lane.allowances)
        return bears - len(self._aside) - len(self.ready) - self.composing

    def draw_for_old(self, count: int) -> list[Pick]:
        """Return due messages that the old provider is to send."""
        return self._draw(count, for_old=True)

    def has_mail_for_old(self) -> bool:
        """Return whether there may be some in memory."""
        return bool(self._turns or self._for_old)

    def old_is_stuck(self, why: str) -> None:
        """Learn that the partner cannot send; if nobody can, all waits in the feeds."""
        if self.reason is not None:  # nor can we
            for aside in self._asides:
                self._return(aside)
            for feed in list(self.feeds):
                self._host.expire_overdue(feed, why)

    def sort_aside(self) -> None:
        """Learn that a side opened or closed: what is kept for one may be the other's now."""
        if self.old is None or self._for_old is None:
            return
        picks = [pick for aside in self._asides for pick in aside.take(MOST_ASIDE)]
        spare = self._spare()
        for pick in picks:
            if self._goes_old(pick[1], spare - 1):
                self._for_old.add(*pick)
            else:
                self._aside.add(*pick)
                spare -= 1
        self._host.wake(self)
        self._host.wake(self.old)

    def _return(self, aside: Aside) -> None:
        for pick in reversed(aside.take(MOST_ASIDE)):
            self.undo_pick(*pick)

    # What next.

    def _compose_ahead(self, room: int) -> None:
        want = room - self.composing
        # Small hand-overs only when the pipeline would run dry.
        while want >= HAND_OVER or (want > 0 and self.composing == 0):
            if not self._host.budget.has_room(self):
                self._host.budget.wait(self)
                return
            rows = self._take(min(want, HAND_OVER))
            if not rows:
                return
            want -= len(rows)
            self.composing += len(rows)
            self._host.compose(self, rows)

    def _take(self, count: int) -> list[Pick]:
        """Return due messages for our IPs."""
        return self._draw(count, for_old=False)

    def _draw(self, count: int, *, for_old: bool) -> list[Pick]:
        """Return due messages, feed by feed in turn, so that no domain waits for another."""
        mine, theirs = (self._for_old, self._aside) if for_old else (self._aside, self._for_old)
        rows = self._take_aside(mine, count, for_old=for_old) if mine is not None else []
        version = self._host.policy_version
        # While warming IPs are all that could send, they have the best; else everybody has a turn.
        best_first = not for_old and all(line.is_warming for line in self.lines)
        spare = self._spare() - (0 if for_old else len(rows))
        while self._turns and len(rows) < count:
            feed = self._turns.next(best_first=best_first)
            if feed.placed_in is not self:
                continue
            if self._fresh(feed) is not self.destination and not self._follow(feed):
                continue
            if feed.home.is_sick:
                continue
            buffer = feed.buffer
            while buffer and len(rows) < count:
                if buffer[0].policy_version > version:
                    self._host.replace(feed)
                    break
                row = buffer.popleft()
                is_ours = theirs is None or not self._goes_old(row, spare - 1)
                spare -= 1 if is_ours else 0
                if theirs is not None and is_ours is for_old:
                    if not self._keep_aside(theirs, feed, row, for_old=not for_old):
                        count = len(rows)  # the other side has to move first
                elif not for_old and (ip := self._closed_ip_of(row)) is not None:
                    self._host.put_off(feed, row, *self._closed(ip))
                else:
                    rows.append((feed, row))
            feed.home.read_ahead(feed)
            if buffer and feed.placed_in is self:
                self._turns.add(feed)
            elif not buffer:
                feed.home.discard_if_empty(feed)
        return rows

    def _closed_ip_of(self, row: SpooledMessage) -> LocalIp | None:
        """Return the IP that a message waits for and that takes nothing now."""
        ip = self._only_ip(row) if row.is_bound else None
        return ip if ip is not None and self._line_of(ip) is None else None

    def _take_aside(self, mine: Aside, count: int, *, for_old: bool) -> list[Pick]:
        """Return what the other side kept for one; it may have waited for room there."""
        other = self if for_old else self.old
        if mine.is_full and other is not None:
            self._host.wake(other)
        return mine.take(count)

    def _keep_aside(self, theirs: Aside, feed: Feed, row: SpooledMessage, *, for_old: bool) -> bool:
        """Keep a row for the other side; False: it stays in the feed until there is room."""
        if theirs.is_full and self._is_moving(old=for_old):
            feed.buffer.appendleft(row)
            return False
        theirs.add(feed, row)
        return True

    def _is_moving(self, *, old: bool) -> bool:
        """Return whether a side sends as fast as it can: being slower is no reason to go to disk.

        Ours does not while allowances alone hold it back, which may last the day.
        """
        if old:
            return self.old is not None and self.old.reason is None and not self.old.has_failed
        return self.reason is None and not all(line.is_warming for line in self.lines)

    def _follow(self, feed: Feed) -> bool:
        """Follow a renewed lookup; return whether the feed still belongs here."""
        fresh = self._fresh(feed)
        if fresh is not None and (fresh.provider, fresh.site) == self.queue_id[1:3]:
            self.destination = fresh
            return True
        self._host.replace(feed)
        return False
