"""Time that passes only when nothing is left to do: an event loop, and the clock it carries.

Whatever is ready runs; then time jumps to the next timer. So weeks of pacing, retries and midnights
take as long as their work does, in the same order each time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from merpati.rehearsal.network import Network

T = TypeVar("T")

_GRACE_SECONDS = 0.001  # real ones, for the kernel to pass bytes on


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for real only where nothing else will ever happen, as for Ctrl-C.

    has_sockets: there is real traffic, so before each jump the kernel gets a moment.
    """

    def __init__(self, *, has_sockets: bool) -> None:
        super().__init__()
        self.elapsed = 0.0
        self._has_sockets = has_sockets

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        if self._has_sockets and (ready := super().select(_GRACE_SECONDS if timeout > 0 else 0)):
            return ready
        if timeout > 0:
            self.elapsed += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop on virtual time, from 0 on.

    network: stands in for DNS and, unless has_sockets, for TCP; set it before anything connects.
    Work for threads is done at once, so that its place in the order of things does not depend on
    the machine.
    """

    def __init__(self, *, has_sockets: bool = False) -> None:
        self.network: Network | None = None
        self._has_sockets = has_sockets
        self.jumping = _JumpingSelector(has_sockets=has_sockets)
        super().__init__(self.jumping)

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self.jumping.elapsed

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Do the work here and now."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done

    async def create_connection(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:
        """Connect over the simulated network, or for real."""
        if self.network is None or self._has_sockets:
            return await super().create_connection(protocol_factory, *args, **options)
        return await self.network.connect(protocol_factory, args[0], options["local_addr"][0])

    async def create_datagram_endpoint(
        self, protocol_factory: Any, *args: Any, **options: Any
    ) -> Any:
        """Open a way to the simulated DNS server."""
        if self.network is None:
            return await super().create_datagram_endpoint(protocol_factory, *args, **options)
        return self.network.open_datagrams(protocol_factory)

    async def start_tls(self, transport: Any, *args: Any, **options: Any) -> Any:
        """Pretend a handshake on a simulated connection, make one on a real one."""
        if self.network is None or self._has_sockets:
            return await super().start_tls(transport, *args, **options)
        return await self.network.secure(transport)


class VirtualClock:
    """The engine's clock (`adapters.clock.Clock`) on a loop's virtual time.

    starts_at: wall time at the loop's 0, milliseconds since the Unix epoch.
    """

    def __init__(self, loop: VirtualLoop, starts_at: int) -> None:
        self._jumping = loop.jumping
        self._starts_at = starts_at

    def now(self) -> int:
        """Return wall time in milliseconds since the Unix epoch, UTC."""
        return self._starts_at + int(self._jumping.elapsed * 1000 + 0.5)

    def elapsed(self) -> float:
        """Return monotonic seconds, for intervals only."""
        return self._jumping.elapsed
