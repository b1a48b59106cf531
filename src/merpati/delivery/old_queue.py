"""Mail that goes by an account's old provider: the partner of a ready queue whose mail is split.

It draws from its source's feeds what is the old provider's to send, and gives it to one line to
that relay. What comes back from there binds no message to an IP of ours, and nothing that leaves
that way counts against an allowance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from merpati.delivery.destinations import Destination, Undeliverable, Unreachable
from merpati.delivery.ready_queue import Pick, QueueHost, QueueId, ReadyQueue
from merpati.delivery.reasons import NoSendingIp, OldFails, Said, sentence

if TYPE_CHECKING:
    from merpati.contracts.sending_policy import Egress, Order
    from merpati.delivery.lane import Line
    from merpati.delivery.sending_ip import LocalIp
    from merpati.spool.shapes import SpooledMessage


class OldQueue(ReadyQueue):
    """What one ready queue leaves to the old provider. has_failed: that takes nothing just now."""

    def __init__(
        self, host: QueueHost, source: ReadyQueue, egress: Egress, orders: tuple[Order, ...]
    ) -> None:
        super().__init__(
            host, source.pool, source.destination, lambda _: source.destination, orders
        )
        self.egress = egress
        self.has_failed = False
        self._source = source

    @property
    def queue_id(self) -> QueueId:
        """Return the key of this queue."""
        pool_id, provider, site, kind = self._source.queue_id
        return (pool_id, provider, site, (*kind, "old"))

    @property
    def has_mail(self) -> bool:
        """Return whether there is mail in memory that is not assigned."""
        return bool(self.ready) or self._source.has_mail_for_old()

    @property
    def is_unused(self) -> bool:
        """Return whether the queue may be forgotten."""
        return self._source.is_unused and not (self.ready or self.composing)

    def _while_stuck(self) -> None:
        while self.ready:
            self.put_back(self.ready.pop())
        why = sentence(self.reason, self._host.clock.now()) if self.reason is not None else ""
        self._source.old_is_stuck(why)

    def _usable_lines(self) -> list[Line]:
        if self._is_ordered_to_wait():
            return []
        name = self.egress.name
        match self._host.old_way(self.egress):
            case Destination() as there:
                return self._line_to(there)
            case Unreachable(reason):
                self._note(has_failed=True)
                self.reason = OldFails(name, reason, None)
            case Undeliverable(bounce):
                self._note(has_failed=True)
                self.reason = OldFails(name, bounce.reply.text, None)
            case None:
                self.reason = Said(f"looking up where the old provider {name} is")
        return []

    def _line_to(self, there: Destination) -> list[Line]:
        ip = self._way_out(there)
        if ip is None:
            self.reason = NoSendingIp(self.pool.name, tuple(one.address for one in self.pool.ips))
            return []
        line = self._host.line(ip, there)
        self._become_customer_of([line])
        now = self._host.clock.elapsed()
        # Once its wait is over it is tried again with what is its own to send.
        backoff = line.backoff
        is_given_up = backoff.failures > line.lane.host.options.patience
        self._note(has_failed=is_given_up and backoff.is_waiting(now) and not line.sessions)
        if line.is_usable(now):
            self.reason = None
            return [line]
        why = line.why_not(now)
        self.reason = OldFails(self.egress.name, sentence(why, self._host.clock.now()), why.until)
        return []

    def _way_out(self, there: Destination) -> LocalIp | None:
        """Return the address that connections leave from: any that nobody ordered to rest."""
        now = self._host.clock.now()
        for ip in self.pool.ips:
            is_here = not ip.is_missing and there.is_reached_from(ip.address)
            if is_here and ip.order(there.provider, now) is None:
                return ip
        return None

    def _note(self, *, has_failed: bool) -> None:
        if has_failed != self.has_failed:
            self.has_failed = has_failed
            self._source.sort_aside()

    def _take(self, count: int) -> list[Pick]:
        return self._source.draw_for_old(count)

    def _only_ip(self, row: SpooledMessage) -> LocalIp | None:
        return None
