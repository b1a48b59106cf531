"""One sending IP as it stands on this host: present or missing, and its days' allowances."""

from __future__ import annotations

import ipaddress
import logging
import socket

from merpati.adapters.clock import Clock
from merpati.contracts.sending_policy import Order, ProviderAllowance, SendingIp
from merpati.delivery.allowance import Allowance, Reserve

log = logging.getLogger(__name__)

ALERT_SECONDS = 3_600.0  # a missing address is logged at once, then so often
TIER_DAYS = (0, 7, 30, 60, 90, 1 << 30)  # who engaged within so many days, by tier; 0: not known


class Warmup:
    """The allowances of one sending IP, in all and by provider, made at first use.

    Nobody but the engine of the account's shard counts them.
    """

    def __init__(self, ip: SendingIp, reserve: Reserve, clock: Clock) -> None:
        self._ip = ip
        self._reserve = reserve
        self._clock = clock
        self._in_all: Allowance | None = None
        self._by_provider: dict[str, Allowance] = {}
        self._cuts: dict[str, tuple[int, int]] = {}
        self.follow(ip)

    def follow(self, ip: SendingIp) -> None:
        """Take a changed policy's word."""
        self._ip = ip
        levels = [] if ip.messages_per_day is None else [_always("", ip.messages_per_day)]
        self._in_all = self._followed(self._in_all, "", levels, is_spread=False)
        for provider, allowance in list(self._by_provider.items()):
            if self._at_provider(allowance, provider) is None:
                del self._by_provider[provider]

    @property
    def engaged_within_days(self) -> int | None:
        """Return which recipients may use it, None for all."""
        return self._ip.engaged_within_days

    def at(self, provider: str) -> tuple[Allowance, ...]:
        """Return what limits mail to a provider: all of them hold."""
        at_provider = self._by_provider.get(provider)
        if at_provider is None:
            at_provider = self._at_provider(None, provider)
            if at_provider is not None:
                at_provider.cut(*self._cuts.get(provider, (100, 0)))
                self._by_provider[provider] = at_provider
        both = (self._in_all, at_provider)
        return tuple(allowance for allowance in both if allowance is not None)

    def cut(self, provider: str, percent: int, day: int) -> None:
        """Leave only a part of one day's allowance at a provider, as its replies taught."""
        self._cuts[provider] = (percent, day)
        if (allowance := self._by_provider.get(provider)) is not None:
            allowance.cut(percent, day)

    def uncut(self, provider: str) -> None:
        """Let the whole allowance at a provider hold again."""
        self._cuts.pop(provider, None)
        if (allowance := self._by_provider.get(provider)) is not None:
            allowance.uncut()

    def _at_provider(self, allowance: Allowance | None, provider: str) -> Allowance | None:
        """Return what is planned for a provider; without a plan, as much as for the IP in all.

        That one never ends before the limit in all, but replies may cut it.
        """
        ip = self._ip
        planned = [row for row in ip.allowances if row.provider == provider]
        if ip.first_allowance is not None:
            planned.append(_always(provider, ip.first_allowance))
        if planned or ip.messages_per_day is None:
            return self._followed(allowance, provider, planned, is_spread=True)
        whole = [_always(provider, ip.messages_per_day)]
        return self._followed(allowance, provider, whole, is_spread=False)

    def _followed(
        self,
        allowance: Allowance | None,
        provider: str,
        levels: list[ProviderAllowance],
        *,
        is_spread: bool,
    ) -> Allowance | None:
        if not levels:
            return None
        if allowance is None:
            return Allowance(
                self._ip.address, provider, levels, self._reserve, self._clock, is_spread=is_spread
            )
        allowance.follow(levels, is_spread=is_spread)
        return allowance


def _always(provider: str, messages: int) -> ProviderAllowance:
    return ProviderAllowance(provider, 0, messages)


class LocalIp:
    """A sending IP of the policy.

    warmup: its allowances, None when it is warm. shard: of its account, which keeps what is learned
    about it; orders: those that name it.
    """

    def __init__(self, address: str, hostname: str, warmup: Warmup | None, shard: int = 0) -> None:
        self.address = address
        self.hostname = hostname
        self.warmup = warmup
        self.shard = shard
        self.orders: tuple[Order, ...] = ()
        self.family = family_of(address)
        self.is_missing = False
        self.recheck_at = 0.0
        self._alert_at = 0.0

    def allowances(self, provider: str) -> tuple[Allowance, ...]:
        """Return what limits its mail to a provider today, nothing when it is warm."""
        return () if self.warmup is None else self.warmup.at(provider)

    def spent_at(self, provider: str) -> Allowance | None:
        """Return the allowance that is used up for today, None while it may send."""
        return next((one for one in self.allowances(provider) if one.is_spent), None)

    def is_withheld(self, provider: str) -> bool:
        """Return whether the plan lets nothing go to a provider just now."""
        return any(allowance.is_paused for allowance in self.allowances(provider))

    def takes(self, tier: int) -> bool:
        """Return whether recipients of an engagement tier may use it."""
        days = None if self.warmup is None else self.warmup.engaged_within_days
        return days is None or TIER_DAYS[min(tier, len(TIER_DAYS) - 1)] <= days

    def order(self, provider: str, now: int) -> Order | None:
        """Return what keeps it from sending to a provider; now: milliseconds since the epoch."""
        for order in self.orders:
            if now < order.until and order.provider in ("", provider):
                return order
        return None

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
