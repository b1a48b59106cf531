"""SMTP over asyncio: moves bytes between clients and their sessions, and runs what these ask for.

Passwords and messages are judged in threads; while one is under way nothing more is read from that
client. A port has limits (connections, memory, time), so that no client can take all of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from merpati.accounts.keys import KeyIdentity
from merpati.accounts.trusted_networks import TrustedNetworks
from merpati.settings import HostPort
from merpati.smtp.brakes import Brakes, Rate, network_of
from merpati.smtp.session import Ask, Authenticate, Door, Envelope, Session, StartTls, TakeMessage
from merpati.smtp.takers import Incoming, Taker, Takers

log = logging.getLogger(__name__)
T = TypeVar("T")

BACKLOG = 256
STOP_SECONDS = 4.0  # the supervisor waits 5
NO_AUTH = "502 5.5.1 AUTH is not offered"
HANG_UP_SECONDS = 5.0  # for the last reply to leave
SWEEP_SECONDS = 1.0  # at most between two looks at who takes too long


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may take. Times in seconds.

    idle: without a byte from the client (sparkpost-api 24: 1 minute); message: from one accepted
    message, or the connection's begin, to the next; memory_bytes: of all unfinished messages.
    """

    idle: float = 60.0
    message: float = 1_800.0
    handshake: float = 30.0
    connections: int = 800
    connections_of_network: int = 100
    memory_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Services:
    """Who answers what sessions ask.

    authenticate: (user, password) → identity, or the refusal; called in threads.
    """

    taker: Taker[Any]
    authenticate: Callable[[str, str], KeyIdentity | str] = lambda user, password: NO_AUTH


@dataclass(slots=True)
class Port:
    """One listening address and all that its connections share; used on the loop only."""

    name: str
    door: Door
    threads: ThreadPoolExecutor
    brakes: Brakes
    services: Services
    rate: Rate | None = None  # of messages by client; None: as fast as they like
    trusted: TrustedNetworks = field(default_factory=TrustedNetworks)  # replaced as keys change
    starttls: ssl.SSLContext | None = None
    limits: Limits = field(default_factory=Limits)
    held_bytes: int = 0
    connections: set[Connection] = field(default_factory=set)
    by_network: Counter[str] = field(default_factory=Counter)
    is_stopping: bool = False
    emptied: asyncio.Event | None = None  # set while stopping, once no connection is left
    takers: Takers = field(init=False)
    _sweep: asyncio.TimerHandle | None = None  # one for all connections, while there are any

    def __post_init__(self) -> None:
        """Make the takers."""
        self.takers = Takers(self.services.taker, self.threads)

    async def listen(self, address: HostPort, tls: ssl.SSLContext | None = None) -> asyncio.Server:
        """Serve an address, TLS first with `tls`. Raises OSError when it cannot be bound."""
        return await asyncio.get_running_loop().create_server(
            lambda: Connection(self, is_secure=tls is not None),
            address.host,
            address.port,
            ssl=tls,
            ssl_handshake_timeout=self.limits.handshake if tls else None,
            backlog=BACKLOG,
        )

    def admit(self, connection: Connection) -> None:
        """Count a connection in."""
        self.connections.add(connection)
        self.by_network[connection.network] += 1
        if self._sweep is None:
            self._look_later()

    def leave(self, connection: Connection) -> None:
        """Count a connection out."""
        self.connections.discard(connection)
        self.by_network[connection.network] -= 1
        if not self.by_network[connection.network]:
            del self.by_network[connection.network]
        if self.emptied is not None and not self.connections:
            self.emptied.set()

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in list(self.connections):
            connection.look(now)
        self._sweep = None
        if self.connections:
            self._look_later()

    def _look_later(self) -> None:
        seconds = min(SWEEP_SECONDS, self.limits.idle / 2)
        self._sweep = asyncio.get_running_loop().call_later(seconds, self._look)

    async def stop(self) -> None:
        """End all connections with 421; messages being stored get their answer first."""
        self.is_stopping = True
        for connection in list(self.connections):
            connection.stop()
        if self.connections:
            self.emptied = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self.emptied.wait()
        for connection in list(self.connections):
            connection.abort()


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, port: Port, is_secure: bool) -> None:
        self._port = port
        self._session = Session(port.door, is_secure)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._peer = self.network = ""
        self._asked: Ask | None = None
        self._held_bytes = 0
        self._is_choked = False  # the client does not read our replies
        self._is_paused = False
        self._abort_at: float | None = None  # once the last reply is on its way
        self._task: asyncio.Task[None] | None = None
        self._heard_at = self._message_at = self._loop.time()

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or turn away what is above a limit."""
        self._transport = cast(asyncio.Transport, transport)
        name = transport.get_extra_info("peername") or ("",)
        self._peer = str(name[0])
        self.network = network_of(self._peer)
        port, limits = self._port, self._port.limits
        port.admit(self)
        if port.is_stopping:
            self._session.end(f"421 4.3.2 {port.door.hostname} is stopping")
        elif (
            len(port.connections) > limits.connections
            or port.by_network[self.network] > limits.connections_of_network
        ):
            self._session.end(f"421 4.7.0 {port.door.hostname} Too many connections")
        elif port.rate is not None and port.rate.is_spent(self.network):
            self._session.end(self._too_many_messages())
        else:
            self._session.greet(port.trusted.identity(self._peer))
        self._go_on()

    def data_received(self, data: bytes) -> None:
        """Feed the session."""
        self._heard_at = self._loop.time()
        self._session.receive(data)
        if self._asked is not None:  # no more than this is kept for later
            self._set_reading()
        self._go_on()

    def eof_received(self) -> bool:
        """Close: a client that sends no more needs no answers."""
        return False

    def pause_writing(self) -> None:
        """Read nothing more while our replies are not read."""
        self._is_choked = True
        self._set_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self._is_choked = False
        self._set_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client; a message that is being stored stays."""
        self._transport = None
        self._port.leave(self)
        self._account_for(0)

    # What the port does.

    def stop(self) -> None:
        """Hang up, after the answer to a message that is being stored."""
        if isinstance(self._asked, Authenticate | StartTls):
            self.abort()
        elif self._asked is None:
            self._session.end(f"421 4.3.2 {self._port.door.hostname} is stopping")
            self._go_on()

    def abort(self) -> None:
        """Hang up at once."""
        if self._transport is not None:
            self._transport.abort()

    def look(self, now: float) -> None:
        """Hang up on who says nothing, or takes too long for one message."""
        limits = self._port.limits
        if self._abort_at is not None:
            if now >= self._abort_at:
                self.abort()
        elif self._asked is None and (  # what is asked for has limits of its own
            now >= self._heard_at + limits.idle or now >= self._message_at + limits.message
        ):
            self._session.end(f"421 4.4.2 {self._port.door.hostname} Timeout")
            self._go_on()

    # Between session and world.

    def _go_on(self) -> None:
        """Send what there is to say, and begin what the session asks for."""
        transport, session = self._transport, self._session
        if transport is None:
            return
        if (held_bytes := session.held_bytes) != self._held_bytes:
            self._account_for(held_bytes)
        if session.out:
            transport.write(bytes(session.out))
            session.out.clear()
        if session.ask is not None and self._asked is None:
            self._asked = session.ask
            self._begin(session.ask)
        elif session.is_closing:
            self._hang_up(transport)

    def _begin(self, asked: Ask) -> None:
        match asked:
            case StartTls():
                self._set_reading()
                self._task = self._loop.create_task(self._start_tls())
            case Authenticate():
                self._authenticate(asked)
            case TakeMessage():
                self._take(asked.envelope)

    def _take(self, envelope: Envelope) -> None:
        port = self._port
        if port.rate is not None:
            if port.rate.is_spent(self.network):
                self._answered_message(self._too_many_messages())
                return
            port.rate.count(self.network)
        port.takers.take(Incoming(envelope, self._peer), self._answered_message)

    def _too_many_messages(self) -> str:
        log.warning("too_many_messages service=%s address=%s", self._port.name, self._peer)
        return f"421 4.7.0 {self._port.door.hostname} Too many messages a minute, try again later"

    def _authenticate(self, asked: Authenticate) -> None:
        services = self._port.services
        if self._port.brakes.is_cut(self._peer):
            log.warning("authentication_cut address=%s", self._peer)
            self._answered_authentication(f"421 4.7.0 {self._port.door.hostname} Too many failures")
            return

        def judged(done: asyncio.Future[KeyIdentity | str]) -> None:
            answer = _result(done, "454 4.7.0 Temporary authentication failure")
            if isinstance(answer, str) and answer.startswith("535"):
                delay = self._port.brakes.failed(self._peer, asked.password)
                log.warning("authentication_refused address=%s", self._peer)
                self._loop.call_later(delay, self._answered_authentication, answer)
            else:
                self._answered_authentication(answer)

        future = self._in_thread(services.authenticate, asked.user, asked.password)
        future.add_done_callback(judged)

    def _in_thread(self, work: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        return self._loop.run_in_executor(self._port.threads, work, *arguments)

    def _answered_authentication(self, answer: KeyIdentity | str) -> None:
        self._asked = None
        if isinstance(answer, str):
            self._session.answer_authentication(None, answer)
        else:
            self._session.answer_authentication(answer)
        self._answered()

    def _answered_message(self, reply: str) -> None:
        self._asked = None
        self._message_at = self._loop.time()
        self._session.answer_message(reply)
        self._answered()

    async def _start_tls(self) -> None:
        transport, context = self._transport, self._port.starttls
        if transport is None or context is None:
            return
        try:
            secured = await self._loop.start_tls(
                transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=self._port.limits.handshake,
            )
        except (OSError, ssl.SSLError) as error:  # ConnectionError and timeouts are OSErrors
            log.info("tls_failed address=%s reason=%s", self._peer, error)
            transport.abort()
            return
        if self._transport is None or secured is None:
            return
        self._transport, self._is_paused = secured, False
        self._asked = None
        self._session.secured()
        self._answered()

    def _answered(self) -> None:
        if self._port.is_stopping:
            self._session.end(f"421 4.3.2 {self._port.door.hostname} is stopping")
        self._heard_at = self._loop.time()
        self._go_on()
        if self._is_paused:
            self._set_reading()

    # Limits.

    def _account_for(self, held_bytes: int) -> None:
        port = self._port
        grows = held_bytes > self._held_bytes
        port.held_bytes += held_bytes - self._held_bytes
        self._held_bytes = held_bytes
        if grows and port.held_bytes > port.limits.memory_bytes:
            self._session.drop_message()
            port.held_bytes += self._session.held_bytes - self._held_bytes
            self._held_bytes = self._session.held_bytes

    def _set_reading(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        wants_pause = self._is_choked or self._asked is not None
        if wants_pause and not self._is_paused:
            transport.pause_reading()
        elif self._is_paused and not wants_pause:
            transport.resume_reading()
        self._is_paused = wants_pause

    def _hang_up(self, transport: asyncio.Transport) -> None:
        if self._abort_at is not None:
            return
        self._abort_at = self._loop.time() + HANG_UP_SECONDS
        if self._is_paused:
            transport.resume_reading()  # TLS ends only once the client's own end is read
        transport.close()


def _result(done: asyncio.Future[T], otherwise: T) -> T:
    try:
        return done.result()
    except asyncio.CancelledError:
        return otherwise
    except Exception:  # a defect of ours must not leave a client without an answer
        log.exception("smtp_service_failed")
        return otherwise
