"""The ways mail leaves: per (sending IP, provider) a lane with its limits, per site a line of it.

A site is one set of hosts: messages share a connection only when their domains name the same hosts.
Messages are assigned to a line while it has room; its connections take them from there, so that a
connection never waits for anything but the network. What a line cannot send goes back to the ready
queue it came from.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol, cast

from merpati.adapters.clock import Clock
from merpati.delivery.allowance import SOON_SECONDS, Allowance
from merpati.delivery.connecting import connect
from merpati.delivery.destinations import Destination
from merpati.delivery.host_memory import HostMemory
from merpati.delivery.learned_pace import CLEAN_DELIVERIES, Learned, least
from merpati.delivery.options import Options
from merpati.delivery.outcome import (
    Bounced,
    Deferred,
    Delivered,
    Ending,
    Reply,
    Returned,
    Stage,
    outcome_of,
)
from merpati.delivery.pacing import Backoff, TokenBucket
from merpati.delivery.prepared import Prepared
from merpati.delivery.reasons import BacksOff, Reason, Withheld, ordered, taught
from merpati.delivery.sending_ip import LocalIp
from merpati.delivery.session import GreetingFailed, Outgoing, Session
from merpati.delivery.tls import TlsClient
from merpati.providers.directory import Pace
from merpati.providers.replies import Reading

if TYPE_CHECKING:
    from merpati.delivery.ready_queue import ReadyQueue

log = logging.getLogger(__name__)

MOST_RETURNS = 3  # of one message by connections that ended before it; then it is deferred
_ABOUT_PACE = frozenset({"connection", "rate"})  # causes


class LaneHost(Protocol):
    """What lanes need of the engine they belong to."""

    clock: Clock
    options: Options
    tls: TlsClient

    @property
    def is_stopping(self) -> bool:
        """Return whether nothing more may be begun."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a piece of work as a task of the engine's group."""

    def wake(self, queue: ReadyQueue) -> None:
        """Have a ready queue look at its mail and lines soon."""

    def ended(
        self,
        line: Line,
        remote: str,
        message: Prepared,
        ending: Ending,
        *,
        is_encrypted: bool = False,
        rests: bool = False,
    ) -> None:
        """Settle or postpone a message after an attempt. rests: as `blamed` said of its answer."""

    def cancelled(self, message: Prepared) -> None:
        """Settle a message that was cancelled before a connection took it."""

    def wants_allowance(self, allowance: Allowance) -> None:
        """Reserve a further block of an allowance, if that makes sense now."""

    def ip_missing(self, ip: LocalIp) -> None:
        """Take note that an address is not on this host."""

    def learned(self, lane: Lane) -> Learned | None:
        """Return what replies taught about a lane, None at its configured pace."""

    def blamed(self, lane: Lane, reading: Reading, reply: Reply) -> bool:
        """Learn from a reply that blames us; the lane's `use_learned` hears of a change.

        Return whether it is to be told that the lane rests since then.
        """

    def rests(self, lane: Lane, reading: Reading, reply: Reply) -> None:
        """Tell that a lane rests since a reply that answered no attempt."""

    def proven(self, lane: Lane) -> None:
        """Learn that a slowed lane had CLEAN_DELIVERIES in this step."""


class Lane:
    """Limits of one sending IP at one provider, and what goes there now."""

    def __init__(self, host: LaneHost, ip: LocalIp, destination: Destination) -> None:
        self.host = host
        self.ip = ip
        self.provider = destination.provider
        self.key = (ip.address, destination.provider)
        self.connections = 0  # open or opening
        self.configured = Pace(0, 0, None)  # see `_take_limits`
        self.connections_limit = 0  # this and the following: see `_keep_pace`
        self.messages_per_connection = 0
        self.messages_per_minute: int | None = None
        self.egress = destination.egress
        self.allowances: tuple[Allowance, ...] = ()  # none of a warm IP, nor of an old provider
        self.learned = host.learned(self)  # None for nearly all mail: it goes as configured
        self._clean = 0  # deliveries since `learned` changed
        self.bucket: TokenBucket | None = None
        self.hosts = HostMemory()
        self.lines: dict[tuple[str, ...], Line] = {}
        self._waiting: dict[Line, None] = {}  # for a connection, the longest waiting first
        self._is_set_up = False
        self.use_allowances()

    def line(self, destination: Destination) -> Line:
        """Return the line to a destination's hosts, made at first use."""
        line = self.lines.get(destination.site)
        if line is None:
            line = self.lines[destination.site] = Line(self, destination)
        if line.destination is not destination or not self._is_set_up:
            line.destination = destination  # its addresses and limits may be newer
            self._take_limits(destination)
        return line

    def _take_limits(self, destination: Destination) -> None:
        """Take a route's limits as they are; a provider's no further than the operator allows."""
        self._is_set_up = True
        options = self.host.options
        if destination.is_route:
            connections = destination.connections or options.route_connections
        else:
            wanted = destination.connections or options.connections
            connections = min(wanted, options.connections)
        each = destination.messages_per_connection or options.route_messages_per_connection
        self.configured = Pace(connections, each, destination.messages_per_minute)
        self._keep_pace()

    def _keep_pace(self) -> None:
        """Go at the configured pace, or at the slower one that replies taught."""
        pace = least(self.configured, self.learned.pace if self.learned is not None else None)
        self.connections_limit = pace.connections
        self.messages_per_connection = pace.messages_per_connection
        rate = pace.messages_per_minute
        if rate != self.messages_per_minute:
            self.messages_per_minute = rate
            self.bucket = TokenBucket(rate, self.host.clock.elapsed()) if rate else None

    def use_allowances(self) -> None:
        """Take the IP's allowances under a new policy; nothing may be assigned meanwhile."""
        self.allowances = () if self.egress else self.ip.allowances(self.provider)

    def use_learned(self, learned: Learned | None) -> None:
        """Follow what replies taught; None goes back to the configured pace."""
        self.learned = learned
        self._clean = 0
        self._keep_pace()
        is_paused = self.is_paused(self.host.clock.elapsed())
        for line in self.lines.values():
            if is_paused:
                line.rest()
            else:
                line.kick()
                line.wake_customers()

    def is_paused(self, now: float) -> bool:
        """Return whether replies taught to begin nothing yet."""
        return self.learned is not None and self.learned.is_paused(now)

    def has_delivered(self) -> None:
        """Count a delivery of a slowed lane: enough of them shorten its step."""
        self._clean += 1
        now = self.host.clock.elapsed()
        if self._clean == CLEAN_DELIVERIES and not self.is_paused(now):
            self.host.proven(self)

    def forget_unused_lines(self) -> None:
        """Forget lines that have nothing to do and nothing to remember."""
        for site, line in list(self.lines.items()):
            if line.is_unused:
                del self.lines[site]

    @property
    def is_unused(self) -> bool:
        """Return whether nothing goes on here."""
        return all(line.is_unused for line in self.lines.values())

    @property
    def is_wanted(self) -> bool:
        """Return whether lines wait for a connection, so that none should be kept idle."""
        return bool(self._waiting)

    def wait_for_connection(self, line: Line) -> None:
        """Have a line kicked when a connection is free; an idle one of another line ends now."""
        self._waiting[line] = None
        for other in self.lines.values():
            if other is not line and other.idle:
                other.idle.pop().quit()
                return

    def connection_freed(self) -> None:
        """Let those that wait for a connection have it, in turn: nothing else would wake them."""
        self.connections -= 1
        while self._waiting and self.connections < self.connections_limit:
            line = next(iter(self._waiting))
            del self._waiting[line]
            line.kick()


class Line:
    """Connections from one sending IP to one set of hosts; owns its sessions."""

    def __init__(self, lane: Lane, destination: Destination) -> None:
        options = lane.host.options
        self.lane = lane
        self.destination = destination
        self.assigned: deque[Prepared] = deque()
        self.sessions: set[Session] = set()
        self.idle: list[Session] = []
        self.in_flight = 0
        self.backoff = Backoff(options.first_backoff, options.longest_backoff)
        self.last_reply = ""
        self.tls = ""  # of the session greeted last
        self.customers: set[ReadyQueue] = set()
        self._opening = 0
        self._has_asked = False  # for more, since the last was assigned
        self._timer: asyncio.TimerHandle | None = None
        self._host = lane.host
        self._ip = lane.ip

    @property
    def is_allowed(self) -> bool:
        """Return whether allowances let a further message be assigned now."""
        return all(allowance.room() > 0 for allowance in self.lane.allowances)

    @property
    def is_warming(self) -> bool:
        """Return whether an allowance limits it at all."""
        return bool(self.lane.allowances)

    # What the ready queues ask.

    def is_usable(self, now: float) -> bool:
        """Return whether messages may be assigned: it is connected, or may try to connect."""
        if self.lane.learned is not None and self.lane.is_paused(now):
            return False
        if self._ip.orders and self._ip.order(self.lane.provider, self._host.clock.now()):
            return False
        if any(allowance.is_paused for allowance in self.lane.allowances):
            return False
        return bool(self.sessions) or not self.backoff.is_waiting(now)

    def why_not(self, now: float) -> Reason:
        """Return why messages may not be assigned, and until when."""
        clock, lane = self._host.clock, self.lane
        order = self._ip.order(lane.provider, clock.now())
        if order is not None:
            return ordered(order)
        if (learned := lane.learned) is not None and learned.is_paused(now):
            return taught(learned, lane.key, clock)
        for allowance in lane.allowances:
            if allowance.is_paused:
                return Withheld(
                    lane.provider,
                    self._ip.address,
                    allowance.level.reason,
                    allowance.paused_until,
                )
        wait = max(0.0, self.backoff.until - now)
        return BacksOff(self.backoff.reason, clock.now() + int(wait * 1000))

    def room(self) -> int:
        """Return how many messages may be assigned to it now."""
        lane = self.lane
        # Before the first greeting little: all of it comes back if there is none.
        window = 4 * lane.connections_limit if self.sessions else 16
        if lane.bucket is not None:
            window = min(window, 1 + int(lane.bucket.per_second * 5))
        room = window - len(self.assigned)
        for allowance in lane.allowances:
            room = min(room, allowance.room())
            if room > 0 and (wait := allowance.wait()) > SOON_SECONDS:
                self._look_again_in(wait)
                return 0
        return room

    def assign(self, message: Prepared) -> None:
        """Give a message to this line; `kick` sets it going."""
        self.assigned.append(message)
        self._promise(1)
        self._has_asked = False

    def _promise(self, messages: int) -> None:
        """Count messages that are assigned, or no longer, as allowances' room depends on them."""
        for allowance in self.lane.allowances:
            allowance.promised += messages

    def kick(self) -> None:
        """Use idle connections for what is assigned, and open further ones if need be."""
        now = self._host.clock.elapsed()
        if self._host.is_stopping or not self._may_send(now):
            return
        if self.idle:
            idle, self.idle = self.idle, []
            for session in idle:
                if self.assigned and session.is_open:
                    session.start_next()
                elif session.is_open:
                    self.idle.append(session)
        if self.assigned and not self.idle:
            self._open_connections(now)

    def _may_send(self, now: float) -> bool:
        """Return whether the next message may go out now; if not, see that it is looked at later.

        Idle connections are asked only when this holds: asking them in vain would wake the ready
        queues, which would ask them again.
        """
        if not self.assigned or self.assigned[0].feed.home.is_sick:
            return False
        if self.lane.learned is not None and self.lane.is_paused(now):
            self.give_back()
            return False
        if self._ip.is_missing:
            self.give_back()
            return False
        wait = 0.0
        for allowance in self.lane.allowances:
            if allowance.left == 0 or allowance.is_paused:
                self._host.wants_allowance(allowance)
                self.give_back()  # another IP may be able to send it
                return False
            wait = max(wait, allowance.wait())
        if self.lane.bucket is not None:
            wait = max(wait, self.lane.bucket.wait(now))
        if wait > 0:
            self._look_again_in(wait)
        return wait <= 0

    # What the sessions tell and ask (SessionOwner).

    def next_message(self, session: Session) -> Outgoing | None:
        """Return the message whose MAIL goes out now; its allowance and rate are used up here."""
        now = self._host.clock.elapsed()
        lane = self.lane
        self._drop_cancelled()
        if self._host.is_stopping or not self._may_send(now):
            return None
        if lane.connections > lane.connections_limit:
            return None  # the pace was lowered: this connection ends, see `session_idle`
        message = self.assigned.popleft()
        self.in_flight += 1
        if lane.bucket is not None:
            lane.bucket.take(now)
        for allowance in lane.allowances:
            allowance.promised -= 1
            allowance.take()
            self._host.wants_allowance(allowance)
        if not self._has_asked and len(self.assigned) <= lane.connections_limit:
            self._has_asked = True
            self._offer_room()
        return message

    def _drop_cancelled(self) -> None:
        assigned = self.assigned
        while assigned and assigned[0].row.message_id in assigned[0].feed.home.cancelled:
            self._promise(-1)
            self._host.cancelled(assigned.popleft())

    def message_ended(self, session: Session, message: Outgoing, ending: Ending) -> None:
        """Pass on what an attempt came to."""
        self.in_flight -= 1
        if self.backoff.failures and session.answered and not self._is_waiting():
            # Only after the wait: the far end may answer well and yet refuse more connections.
            self.backoff.worked()
        rests = False
        match ending:
            case Delivered(reply):
                self.last_reply = f"{reply.code} {reply.text}"
                if self.lane.learned is not None:
                    self.lane.has_delivered()
            case Returned(reason, reply, reading):
                self.last_reply = reason
                if self._heed_of_message(reply, reading):
                    self._tell_rest(reply, reading)
            case Deferred(reason, reply, reading):
                self.last_reply = reason
                rests = self._heed_of_message(reply, reading)
            case Bounced(_, reply, reading):
                self.last_reply = str(reply)
                rests = self._heed_of_message(reply, reading)
            case _:
                pass  # no answer came
        prepared = cast(Prepared, message)
        if isinstance(ending, Returned) and prepared.returned < MOST_RETURNS:
            prepared.returned += 1
            self._take_back(prepared)
        else:
            is_encrypted = bool(session.tls)
            self._host.ended(
                self, session.remote, prepared, ending, is_encrypted=is_encrypted, rests=rests
            )

    def _heed(self, reply: Reply | None, reading: Reading | None) -> bool:
        """Let a reply that blames us change the lane's pace; return as `LaneHost.blamed` does."""
        if reply is None or reading is None or reading.reaction is None:
            return False
        return self._host.blamed(self.lane, reading, reply)

    def _heed_of_message(self, reply: Reply | None, reading: Reading | None) -> bool:
        """Do the same after a message's attempt.

        A smart host passes on what providers say of its own address: that is about us only where
        ours is named. Of pace it speaks for itself.
        """
        if self.destination.is_route and reply is not None and reading is not None:
            ours = rf"(?<!\d){re.escape(self._ip.address)}(?!\d)"
            if reading.cause not in _ABOUT_PACE and not re.search(ours, reply.text):
                return False
        return self._heed(reply, reading)

    def _tell_rest(self, reply: Reply | None, reading: Reading | None) -> None:
        """Tell that the lane rests since a reply that answered no attempt."""
        if reply is not None and reading is not None:
            self._host.rests(self.lane, reading, reply)

    def _take_back(self, message: Prepared) -> None:
        """Send a message that a connection gave back before all others, on the next one."""
        now = self._host.clock.elapsed()
        if message.queue.is_retired or self._host.is_stopping or self.lane.is_paused(now):
            message.queue.put_back(message)
        else:
            self.assigned.appendleft(message)
            self._promise(1)

    def session_idle(self, session: Session) -> None:
        """Keep a connection for what comes next, unless the lane has a use, or too many."""
        lane = self.lane
        if lane.is_wanted or lane.connections > lane.connections_limit:
            session.quit()
            return
        self.idle.append(session)
        if not self.assigned:
            self._offer_room()

    def session_closed(self, session: Session, reason: str | None) -> None:
        """Forget a connection; one that broke before it was of any use makes the line back off."""
        self.sessions.discard(session)
        if session in self.idle:
            self.idle.remove(session)
        self.lane.connection_freed()
        if session.answered:
            self.lane.hosts.worked(session.address)
        elif reason is not None:
            self.lane.hosts.failed(session.address, self._host.clock.elapsed())
        if reason is not None and not session.answered:
            self._failed(f"{reason} (with {session.remote})", None)
        else:
            self.kick()
        self.wake_customers()

    def rest(self) -> None:
        """Begin nothing for a while: idle connections end, what is assigned goes back."""
        self.give_back()
        idle, self.idle = self.idle, []
        for session in idle:
            session.quit()

    def close(self) -> None:
        """Begin no more: idle connections say QUIT, busy ones do so after their messages."""
        self.give_back()
        for session in list(self.sessions):
            session.quit()

    @property
    def is_unused(self) -> bool:
        """Return whether the line may be forgotten."""
        return not (
            self.assigned
            or self.customers
            or self.sessions
            or self._opening
            or self.in_flight
            or self._is_waiting()
        )

    def _is_waiting(self) -> bool:
        return self.backoff.is_waiting(self._host.clock.elapsed())

    # Opening connections.

    def _open_connections(self, now: float) -> None:
        lane = self.lane
        # Until one has been greeted only one is tried, and after failures too: a dead or
        # overcharged host is not met with a volley.
        most = len(self.assigned) if self.sessions and not self.backoff.failures else 1
        while self._opening < most and not self.backoff.is_waiting(now):
            if lane.connections >= lane.connections_limit:
                if not self.sessions:
                    lane.wait_for_connection(self)
                return
            self._opening += 1
            lane.connections += 1
            self._host.spawn(self._open())
        if not self.sessions and self.backoff.is_waiting(now):
            self.give_back()

    async def _open(self) -> None:
        """Connect to the first host that greets us, and put the session to use."""
        session = None
        failure: GreetingFailed | None = None
        try:
            try:
                session = await connect(self)
            except GreetingFailed as error:
                failure = error
        finally:
            self._opening -= 1
            if session is None:
                self.lane.connection_freed()
        if session is not None:
            self._adopt(session)
        elif failure is not None:
            self._failed(failure.reason, failure.reply)

    def _adopt(self, session: Session) -> None:
        self.sessions.add(session)
        self.tls = session.tls
        if self._host.is_stopping:
            session.quit()
            return
        # What the greeted host refuses later still counts as a failure: see session_closed.
        if not self.assigned:
            self.wake_customers()
        session.start_next()
        self.kick()

    def _failed(self, reason: str, reply: Reply | None) -> None:
        """Wait longer after each failure; with nothing else open, what is assigned goes back."""
        if self._host.is_stopping:
            return
        now = self._host.clock.elapsed()
        was_waiting = self.backoff.is_waiting(now)
        if not self._ip.is_missing:
            self.backoff.failed(reason, now)
        self.last_reply = reason
        if reply is not None:
            refusal = outcome_of(reply, Stage.BANNER, self.lane.provider)
            reading: Reading | None = getattr(refusal, "reading", None)
            if self._heed(reply, reading):
                self._tell_rest(reply, reading)
        self._look_again_in(self.backoff.until - now)
        if self.sessions:
            return
        if not was_waiting:
            log.info(
                "connection_failed ip=%s provider=%s failures=%d wait=%.0f reason=%r",
                self._ip.address,
                self.lane.provider,
                self.backoff.failures,
                max(0.0, self.backoff.until - now),
                reason,
            )
            if self.backoff.failures > self._host.options.patience and self.assigned:
                probe = self.assigned.popleft()
                self._promise(-1)
                remote = f"{self.destination.hosts[0].name}:{self.destination.port}"
                if reply is None:
                    ending: Ending = Deferred(f"[internal] {reason}")
                else:
                    ending = outcome_of(reply, Stage.BANNER, self.lane.provider)
                self._host.ended(self, remote, probe, ending)
        self.give_back()

    def give_back(self) -> None:
        """Return what is assigned and not begun to the ready queues it came from."""
        while self.assigned:
            message = self.assigned.pop()
            self._promise(-1)
            message.queue.put_back(message)
        self.wake_customers()

    # Waking and being woken.

    def _offer_room(self) -> None:
        """Wake the customers, unless there is no room before the next message's turn.

        A timer wakes them for that: after each MAIL and each answer they would be pumped in vain.
        """
        if not self.is_warming or self.room() > 0 or self._timer is None:
            self.wake_customers()

    def wake_customers(self) -> None:
        """Have the ready queues that draw on this line, and have mail for it, look at it."""
        for queue in self.customers:
            if queue.has_mail:
                self._host.wake(queue)

    def _look_again_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        seconds = max(seconds, 0.001)
        if self._timer is not None:
            if self._timer.when() <= loop.time() + seconds:
                return
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        self.kick()
        self.wake_customers()
