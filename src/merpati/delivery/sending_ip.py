"""One sending IP as it stands on this host: present or missing, and its day's allowance."""

from __future__ import annotations

import ipaddress
import logging
import socket

from merpati.contracts.sending_policy import Order
from merpati.delivery.allowance import Allowance

log = logging.getLogger(__name__)

ALERT_SECONDS = 3_600.0  # a missing address is logged at once, then so often


class LocalIp:
    """A sending IP of the policy. promised: messages assigned to it that have not said MAIL yet.

    shard: of its account, which keeps what is learned about it; orders: those that name it.
    """

    def __init__(
        self, address: str, hostname: str, allowance: Allowance | None, shard: int = 0
    ) -> None:
        self.address = address
        self.hostname = hostname
        self.allowance = allowance
        self.shard = shard
        self.orders: tuple[Order, ...] = ()
        self.family = family_of(address)
        self.promised = 0
        self.is_missing = False
        self.recheck_at = 0.0
        self._alert_at = 0.0

    @property
    def is_spent(self) -> bool:
        """Return whether today's warm-up allowance is used up."""
        return self.allowance is not None and self.allowance.is_spent

    def order(self, provider: str, now: int) -> Order | None:
        """Return what keeps it from sending to a provider; now: milliseconds since the epoch."""
        for order in self.orders:
            if now < order.until and order.provider in ("", provider):
                return order
        return None

    def room(self) -> int:
        """Return how many further messages may be assigned to it just now."""
        if self.allowance is None:
            return 1_000_000
        return self.allowance.left - self.promised

    def look(self, now: float, recheck_seconds: float) -> bool:
        """Find out whether the host has the address; return whether that changed.

        Binding says so for certain, at the cost of two system calls.
        """
        is_missing = not is_on_host(self.address, self.family)
        changed = is_missing != self.is_missing
        self.is_missing = is_missing
        self.recheck_at = now + recheck_seconds
        if is_missing and (changed or now >= self._alert_at):
            self._alert_at = now + ALERT_SECONDS
            log.error(
                "sending_ip_missing address=%s hostname=%s "
                "effect=skipped remedy=add_the_address_to_this_host",
                self.address,
                self.hostname,
            )
        elif changed:
            log.info("sending_ip_present address=%s", self.address)
        return changed


def is_on_host(address: str, family: socket.AddressFamily) -> bool:
    """Return whether connections may be bound to this address here."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def family_of(address: str) -> socket.AddressFamily:
    """Return the address family of a literal address."""
    return socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
