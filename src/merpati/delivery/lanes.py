"""All lanes of a worker: made at first use, reviewed when the policy changes, forgotten unused."""

from __future__ import annotations

from collections.abc import Iterator

from merpati.delivery.destinations import Destination
from merpati.delivery.lane import Lane, LaneHost, Line
from merpati.delivery.learned_pace import Learned
from merpati.delivery.local_policy import LocalPolicy
from merpati.delivery.sending_ip import LocalIp


class Lanes:
    """Lanes by sending IP and provider, and those of a former policy that still end their mail."""

    def __init__(self, host: LaneHost) -> None:
        self._host = host
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._leaving: list[Lane] = []

    def __iter__(self) -> Iterator[Line]:
        """Iterate over all lines, also those that are about to end."""
        for lane in [*self._lanes.values(), *self._leaving]:
            yield from list(lane.lines.values())

    def line(self, ip: LocalIp, destination: Destination) -> Line:
        """Return the line from an IP to a destination, made at first use."""
        key = (ip.address, destination.provider)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(self._host, ip, destination)
        return lane.line(destination)

    def use_policy(self, policy: LocalPolicy) -> None:
        """Take back what is assigned; end the lanes of IPs that left or changed their name."""
        for key, lane in list(self._lanes.items()):
            stays = policy.ips.get(lane.ip.address) is lane.ip
            for line in lane.lines.values():
                if stays:
                    line.give_back()
                else:
                    line.close()
            if stays:
                lane.use_allowances()
            else:
                self._leaving.append(self._lanes.pop(key))

    def check(self, now: float) -> None:
        """Look at the deadlines of all sessions; now: monotonic seconds."""
        for line in self:
            for session in list(line.sessions):
                session.check(now)

    def kick(self, ip: LocalIp | None = None) -> None:
        """Set lines going (those of one IP, or all); they give back what they cannot send."""
        for line in self:
            if ip is None or line.lane.ip is ip:
                line.kick()

    def forget_unused(self) -> None:
        """Forget lines that have nothing to do and nothing to remember."""
        self._leaving = [lane for lane in self._leaving if not lane.is_unused]
        for key, lane in list(self._lanes.items()):
            lane.forget_unused_lines()
            if not lane.lines:
                del self._lanes[key]

    def use_learned(self, key: tuple[str, str], learned: Learned | None) -> None:
        """Have a lane follow what replies taught; one that is made later asks for it."""
        lane = self._lanes.get(key)
        if lane is not None:
            lane.use_learned(learned)

    def close(self) -> None:
        """Begin no more: idle connections say QUIT, busy ones do so after their messages."""
        for line in self:
            line.close()

    def abort(self, reason: str) -> None:
        """Close all connections at once."""
        for line in self:
            for session in list(line.sessions):
                session.abort(reason)

    @property
    def are_closed(self) -> bool:
        """Return whether no connection is open."""
        return not any(line.sessions for line in self)
